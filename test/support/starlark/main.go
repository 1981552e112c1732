// Executes a Tiltfile with stand-ins of Tilt's builtins, and prints what it asked Tilt for: a line of JSON each call.
// Usage: starlark ENTRY, where ENTRY is a Tiltfile; it may load others by path.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// What a call gives back where a value is passed on to another call: its name and arguments.
func recorded(name string, print bool) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		call := starlark.NewDict(len(kwargs) + 2)
		_ = call.SetKey(starlark.String("call"), starlark.String(name))
		if len(args) > 0 {
			_ = call.SetKey(starlark.String("args"), starlark.NewList(args))
		}
		for _, pair := range kwargs {
			_ = call.SetKey(pair[0], pair[1])
		}
		if print {
			line, err := json.Marshal(plain(call))
			if err != nil {
				return nil, err
			}
			fmt.Println(string(line))
		}
		return call, nil
	})
}

func plain(value starlark.Value) any {
	switch value := value.(type) {
	case starlark.String:
		return string(value)
	case starlark.Bool:
		return bool(value)
	case *starlark.Dict:
		object := map[string]any{}
		for _, item := range value.Items() {
			key, _ := starlark.AsString(item[0])
			object[key] = plain(item[1])
		}
		return object
	case *starlark.List:
		list := []any{}
		for element := range value.Elements() {
			list = append(list, plain(element))
		}
		return list
	case starlark.Int:
		number, _ := value.Int64()
		return number
	case starlark.NoneType:
		return nil
	default:
		return value.String()
	}
}

func path(name string, of func(...string) string) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		parts := []string{}
		for _, arg := range args {
			part, ok := starlark.AsString(arg)
			if !ok {
				return nil, fmt.Errorf("%s: only strings", name)
			}
			parts = append(parts, part)
		}
		return starlark.String(of(parts...)), nil
	})
}

func module(members starlark.StringDict) starlark.Value {
	return starlarkstruct.FromStringDict(starlark.String("module"), members)
}

func execute(file, mainDir string, thread *starlark.Thread) (starlark.StringDict, error) {
	builtins := starlark.StringDict{
		"__file__":       starlark.String(file),
		"local_resource": recorded("local_resource", true),
		"probe":          recorded("probe", false),
		"exec_action":    recorded("exec_action", false),
		"config":         module(starlark.StringDict{"main_dir": starlark.String(mainDir)}),
		"os": module(starlark.StringDict{"path": module(starlark.StringDict{
			"join":    path("join", filepath.Join),
			"dirname": path("dirname", func(parts ...string) string { return filepath.Dir(parts[0]) }),
			"abspath": path("abspath", func(parts ...string) string { return filepath.Clean(parts[0]) }),
		})}),
		"v1alpha1": module(starlark.StringDict{
			"ui_button":             recorded("ui_button", true),
			"cmd":                   recorded("cmd", true),
			"start_on_spec":         recorded("start_on_spec", false),
			"ui_component_location": recorded("ui_component_location", false),
		}),
	}
	return starlark.ExecFileOptions(&syntax.FileOptions{}, thread, file, nil, builtins)
}

func main() {
	entry, err := filepath.Abs(os.Args[1])
	if err != nil {
		panic(err)
	}
	dir := filepath.Dir(entry)
	thread := &starlark.Thread{Name: "Tiltfile"}
	thread.Load = func(thread *starlark.Thread, name string) (starlark.StringDict, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return execute(name, dir, &starlark.Thread{Name: name})
	}
	if _, err := execute(entry, dir, thread); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
