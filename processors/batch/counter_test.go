package batch

import "github.com/sluiceio/sluice/pipeline/ledger"

// repeated is how many items were delivered after their caller had been refused.
func repeated(l *ledger.Ledger) (n int64) {
	for _, a := range l.Read() {
		n += a.DeliveredAfterRefusal
	}
	return n
}
