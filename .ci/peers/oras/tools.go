//go:build tools

// Package tools names a command, so that go.mod pins it.
package tools

import _ "oras.land/oras/cmd/oras"
