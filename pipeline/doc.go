// Package pipeline is the contract between components and the engine. Components import it; package engine runs them.
//
// Read it in this order: batch.go (what moves, and the contract of a Sink), errors.go and answer.go (what a Sink may
// answer), component.go (what a component is to the engine), settings.go and books.go (what a component is given).
package pipeline
