// Package delivery is what every exporter shares: waiting for a place, sending, judging the answer, retrying with full jitter,
// and accounting for what arrives late.
//
// Read it in this order: requests.go (what an exporter implements, and how a batch becomes requests), sender.go (the loop
// and its promise), repeats.go (what may come again). README.md says what is in the packages below.
package delivery
