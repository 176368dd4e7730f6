// Package poison overwrites buffers that were given back, so that a reader that kept a reference is found by what it
// reads. It is on under the race detector and under the build tag poison, and costs nothing otherwise.
package poison

// Byte is what freed buffers hold. As a protobuf tag it has a wire type that does not exist, so that whoever decodes
// it fails.
const Byte = 0xDF

// Fill overwrites b.
func Fill(b []byte) {
	if !Enabled {
		return
	}
	for i := range b {
		b[i] = Byte
	}
}
