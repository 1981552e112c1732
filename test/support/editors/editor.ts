/** A real editor with its real DAP client, as the stories use it: what its user does, and what its user sees. */

export interface EditorStop {
  readonly function: string;
  readonly line: number;
  /** Of the innermost scope: name → value as it is shown. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What is on the screen. */
export interface EditorView {
  /** Debug sessions that the editor holds open; children count. */
  readonly sessions: number;
  /** Null while everything runs. */
  readonly stop: EditorStop | null;
  /** Line with the editor's mark of "stopped here", whatever else it believes; null where there is none. */
  readonly mark: number | null;
  /** What it told its user beside the debuggee's output: notices, warnings, errors. */
  readonly notices: readonly string[];
  /** The console of the session. */
  readonly console: string;
}

export interface Editor {
  readonly name: string;
  /** As in `Neovim 0.12.4, nvim-dap 0.10.0-65-g9e848e0`. */
  readonly version: string;
  /** Opens the file, toggles a breakpoint at the line. */
  breakpoint(file: string, line: number): Promise<void>;
  /** What `wand init` says to do. */
  attach(): Promise<void>;
  view(): Promise<EditorView>;
  continue(): Promise<void>;
  next(): Promise<void>;
  /** In the frame it is stopped in; gives the value as it is shown. */
  evaluate(expression: string): Promise<string>;
  /** Replaces a line of the open file, and saves it. Without it, somebody else changes the file on the disk. */
  saveLine?(line: number, text: string): Promise<void>;
  disconnect(): Promise<void>;
  /** SIGKILL. */
  crash(): Promise<void>;
  close(): Promise<void>;
}
