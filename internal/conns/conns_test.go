package conns

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// TestABodyGrowsWithWhatCame, not with what was declared, and keeps what came when it may not grow.
func TestABodyGrowsWithWhatCame(t *testing.T) {
	const declared = 1 << 20
	no := errors.New("no")
	var most int
	grow := func(n int) error {
		if n > 100_000 {
			return no
		}
		most = n
		return nil
	}
	b := Body{Declared: declared}
	var want []byte
	for i := 0; ; i++ {
		dst, err := b.Next(1000, grow)
		if errors.Is(err, no) {
			break
		}
		if err != nil || len(dst) != 1000 {
			t.Fatalf("%d bytes, %v", len(dst), err)
		}
		part := bytes.Repeat([]byte{byte(i)}, 1000)
		b.Took(copy(dst, part))
		want = append(want, part...)
		if most > max(2*b.Came(), firstRoom) {
			t.Fatalf("%d bytes are held for %d", most, b.Came())
		}
	}
	if len(want) < 50_000 || !bytes.Equal(b.Bytes(), want) || b.Came() != len(want) {
		t.Errorf("%d bytes came, want %d", b.Came(), len(want))
	}
	b.Release()
	b = Body{Declared: 10}
	if dst, err := b.Next(1000, grow); len(dst) != 10 || err != nil || most != 10 {
		t.Errorf("room for %d bytes, %d reserved, %v", len(dst), most, err)
	}
	b.Release()
	b.Release()
	if b.Came() != 0 {
		t.Error("a body holds bytes after its release")
	}
}

// TestInput: an input has a buffer while something is in it, and loses nothing when it gives it back.
func TestInput(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	pool := sync.Pool{New: func() any { b := make([]byte, 256); return &b }}
	woken := 0
	var in Input
	in.Init(nc, &pool, func() error {
		woken++
		return nc.SetReadDeadline(time.Time{})
	})
	for _, size := range []int{1, mostPeeked, mostPeeked + 1, 100} { // what waits for more, without a buffer and with one
		peer.Write(bytes.Repeat([]byte{'a'}, size))
		for len(in.Buffered()) < size {
			if _, err := in.Fill(); err != nil {
				t.Fatal(err)
			}
		}
		nc.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		if got, err := in.Fill(); got || err != nil || woken != 1 {
			t.Fatalf("woken %d times, %v", woken, err)
		}
		woken = 0
		if small := size <= mostPeeked; small != (in.lent == nil) {
			t.Errorf("with %d bytes left over, it has a buffer: %v", size, in.lent != nil)
		}
		peer.Write([]byte("b"))
		b, err := in.Peek(size + 1)
		if err != nil || string(b) != string(bytes.Repeat([]byte{'a'}, size))+"b" {
			t.Fatalf("got %q, %v", b, err)
		}
		in.Take(size + 1)
	}
	peer.Close()
	if _, err := in.Fill(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	in.GiveBack()
	if in.lent != nil {
		t.Error("it has a buffer at the end")
	}
}
