//go:build tools

// Package tools names a command, so that go.mod pins it.
package tools

import _ "github.com/cnabio/cnab-to-oci/cmd/cnab-to-oci"
