// Package version says which version of tandem this is.
//
// It is a constant, not something that the build reads from the repository: the
// same source makes the same bytes, with .git and without.
package version

// Number is the version (Semantic Versioning 2.0.0). The template and
// .github/CHANGELOG.md name it too; tests hold them to it.
const Number = "0.1.0"
