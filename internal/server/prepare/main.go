// Command prepare has the servers that are asked for ready in the cache, and
// says where each one is.
//
//	prepare [RELEASE...]     mariadb, mysql, mariadb-10.5, mysql-9; mariadb and mysql-9 if none
//
// "go test" shows a package's output when the package is done, and counts a
// download against its time limit. Run before it, this shows what is fetched
// while it is fetched. It fails if a server cannot be had and CI is set;
// elsewhere the tests skip what is missing.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tandem/internal/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := prepare(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

func prepare(ctx context.Context, names []string) error {
	wanted := server.Usual()
	if len(names) > 0 {
		wanted = nil
	}
	for _, name := range names {
		release, err := server.ParseRelease(name)
		if err != nil {
			return err
		}
		wanted = append(wanted, release)
	}
	finder := server.Finder{Progress: os.Stderr}
	for _, release := range wanted {
		program, err := finder.Find(ctx, release)
		switch {
		case err == nil:
			fmt.Fprintln(os.Stderr, program)
		case ctx.Err() != nil || os.Getenv("CI") != "":
			return err
		default:
			fmt.Fprintln(os.Stderr, "MISSING:", err)
		}
	}
	return nil
}
