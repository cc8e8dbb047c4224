package main

import "testing"

// A command that is not named as the table says would not be found when it is
// called, and be found in the help.
func TestCommandsAreNamedAsTheyAreCalled(t *testing.T) {
	p := &program{}
	for _, c := range commands {
		if got := c.make(p).Name(); got != c.name {
			t.Errorf("the command called %s is named %s", c.name, got)
		}
		if root := p.root([]string{c.name}); len(root.Commands()) != 1 {
			t.Errorf("%s: %d commands were made, want 1", c.name, len(root.Commands()))
		}
	}
	if root := p.root([]string{"help"}); len(root.Commands()) != len(commands)+1 {
		t.Errorf("help: %d commands, want %d", len(root.Commands()), len(commands)+1)
	}
}
