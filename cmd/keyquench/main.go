// Command keyquench finds AWS keys that leaked into Git.
//
// This package reads flags and the environment, joins the other packages, and
// chooses the exit code: 0 clean, 1 leaks found, 2 wrong usage, 3 not finished
// or something skipped.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the program at once, whatever it waits for.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
