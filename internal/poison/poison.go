// Package poison overwrites freed buffers to expose readers that kept a reference. Enabled by the race detector and
// by the build tag poison.
package poison

// Byte fills freed buffers. As a protobuf tag it has an invalid wire type, so that decoding fails.
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
