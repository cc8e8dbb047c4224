package main

import (
	"github.com/spf13/cobra"
)

// hookCommand joins what has to do with Git's hooks.
func (p *program) hookCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "hook",
		Short: "stop keys at commit and push: install Git hooks, and what they call",
		Long:  hookHelp,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{"hook needs to know what to do", "keyquench hook install, or keyquench hook --help"}
		},
	}
	c.AddCommand(p.hookInstallCommand(), p.hookUninstallCommand(), p.hookDoctorCommand(), p.hookRunCommand())
	return c
}
