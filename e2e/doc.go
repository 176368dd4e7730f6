// Package e2e tests the built binaries from outside: real processes, files and loopback sockets, with oracles that count
// what was produced and what arrived. It does not import the product.
//
// Run `make e2e`, which builds the binaries; SLUICE_BIN names another folder.
package e2e
