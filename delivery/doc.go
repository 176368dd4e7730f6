// Package delivery is shared by all exporters: queueing callers, sending, judging the answer, retrying, and
// accounting for late successes.
//
// Read requests.go first (what an exporter implements), then sender.go (the loop), then repeats.go. README.md
// describes the packages below.
package delivery
