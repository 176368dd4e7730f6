// Package delivery is what every exporter shares: waiting for a place, compressing once, sending, judging the
// answer, retrying with full jitter, and accounting for what arrives late.
//
// Read it in this order: sender.go (the loop and its promise), payload.go (who owns the bytes of a request),
// classify.go (what an answer of a destination means), http.go (requests over HTTP).
package delivery
