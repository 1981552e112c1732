// Owns making elements and changing them in place: what did not change is not touched, so that focus, selection and the
// reader's place stay.

/** @typedef {Node | string} Child */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {readonly Child[]} [children]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {Element} of @param {string} text */
export function setText(of, text) {
  if (of.textContent !== text) of.textContent = text;
}

/** @param {Element} of @param {string} name @param {string} value */
export function setAttribute(of, name, value) {
  if (of.getAttribute(name) !== value) of.setAttribute(name, value);
}

/** @param {HTMLElement} of @param {boolean} shown */
export function show(of, shown) {
  if (of.hidden === shown) of.hidden = !shown;
}

/**
 * A table whose rows are made anew only where their cells say something else. The first column heads its row; `numeric`:
 * columns set to the right.
 * @param {string} caption
 * @param {readonly string[]} heads
 * @param {readonly number[]} [numeric]
 */
export function table(caption, heads, numeric = []) {
  const side = (/** @type {number} */ column) => (numeric.includes(column) ? { class: 'number' } : {});
  const body = element('tbody');
  const head = element(
    'tr',
    {},
    heads.map((text, i) => element('th', { scope: 'col', ...side(i) }, [text])),
  );
  const grid = element('table', {}, [
    element('caption', { class: 'unseen' }, [caption]),
    element('thead', {}, [head]),
    body,
  ]);
  const scroller = element('div', { class: 'scroller', role: 'region', 'aria-label': caption, tabindex: '0' }, [grid]);
  return {
    element: scroller,
    /** @param {readonly (readonly string[])[]} rows @param {(row: number) => boolean} [isMarked] */
    update(rows, isMarked = () => false) {
      rows.forEach((cells, r) => {
        const row = body.rows[r] ?? body.insertRow();
        row.classList.toggle('marked', isMarked(r));
        cells.forEach((text, c) => {
          const cell =
            row.cells[c] ??
            row.appendChild(element(c === 0 ? 'th' : 'td', { ...(c === 0 ? { scope: 'row' } : {}), ...side(c) }));
          setText(cell, text);
        });
      });
      while (body.rows.length > rows.length) body.deleteRow(-1);
    },
  };
}
