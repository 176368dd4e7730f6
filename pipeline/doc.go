// Package pipeline is the engine of Sluice: it turns a configuration into a graph of receivers, processors
// and exporters, runs it, and accounts for every record that passes.
//
// Read it in this order: batch.go (what moves and the contract of a Sink), errors.go (what a Sink may answer),
// component.go (what a component is to the engine), ledger.go (the accounting), graph.go (configuration into a
// graph), service.go (start, reload, drain).
package pipeline
