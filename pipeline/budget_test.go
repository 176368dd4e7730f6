package pipeline

import (
	"errors"
	"testing"
)

func TestBudget(t *testing.T) {
	b := NewBudget(1000)
	one, err := b.Reserve(200)
	if err != nil || b.Used() != 600 {
		t.Fatalf("used %d, %v; want three times 200", b.Used(), err)
	}
	if _, err := b.Reserve(200); !errors.Is(err, ErrNoBudget) {
		t.Errorf("the second was admitted: %v", err)
	}
	if err := one.Resize(100); err != nil || b.Used() != 300 {
		t.Errorf("trued up to %d, %v; want 300", b.Used(), err)
	}
	other, err := b.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Resize(5000); !errors.Is(err, ErrNoBudget) || b.Used() != 303 {
		t.Errorf("growing beyond the limit: %v, used %d", err, b.Used())
	}
	other.Release()
	one.Release()
	one.Release()
	if b.Used() != 0 {
		t.Errorf("%d bytes are still reserved", b.Used())
	}
	huge, err := b.Reserve(5000)
	if err != nil {
		t.Errorf("a request larger than everything was refused although nothing else is inside: %v", err)
	}
	huge.Release()
	b.pressure.Store(true)
	if _, err := b.Reserve(1); !errors.Is(err, ErrNoBudget) {
		t.Error("admitted while the heap is over its limit")
	}
}
