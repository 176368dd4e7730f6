package payload

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// IDHeader is the HTTP header, and the gRPC metadata, with the ID of a request to a receiver of ours.
const IDHeader = "sluice-request-id"

// ID is what a receiver knows a repetition of this request by: 32 hex digits, the same for all attempts. It is random unless
// SetID or PieceOf gave one.
func (p *Payload) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id == "" {
		var b [16]byte
		_, _ = rand.Read(b[:]) // it never fails
		p.id = hex.EncodeToString(b[:])
	}
	return p.id
}

// SetID gives an ID that outlives the payload, of text that no other request has.
func (p *Payload) SetID(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id = id
}

// HasID reports whether the ID is decided.
func (p *Payload) HasID() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id != ""
}

// PieceOf derives the ID of a piece: it is the same when the whole is divided again in the same way.
func (p *Payload) PieceOf(whole *Payload, from, to int) {
	p.SetID(IDOf(fmt.Sprintf("%s %d %d", whole.ID(), from, to)))
}

// IDOf is the ID of the request that the text names.
func IDOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}
