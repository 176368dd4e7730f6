// Package e2e drives the built binaries from outside: real processes, real files, sockets on loopback, and oracles
// that know what was produced and count what arrived. It does not import the product.
//
// Run it by `make e2e`, which builds the binaries first; SLUICE_BIN names another folder of them.
package e2e
