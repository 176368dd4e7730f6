// Package pipeline is the contract between components and the engine.
//
// Read batch.go first (Batch and Sink), then errors.go and answer.go (what a Sink returns), component.go (how
// components are described), settings.go and books.go (what they get).
package pipeline
