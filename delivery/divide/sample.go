package divide

import "math/rand/v2"

const inTheSameWords = "each part of it was rejected in the same words"

// sample is for a request of which each first part was rejected in the same words: either the destination rejects
// everything, or bad pieces are spread over the whole. It tries smaller parts, at a place drawn at random. What is taken
// is no suspect any more; the rest goes in a request of its own next time, and is tried in smaller parts still while none
// is taken. So any share of bad pieces is found within a few batches, with a bounded number of requests each.
func (d *division) sample(l loss) {
	n := d.pieces.Len()
	parts, size := d.History.sample(n, *d.left)
	if parts == 0 || !d.allow(parts) {
		d.History.hopeless()
		d.undivided([]span{{0, n}}, l, inTheSameWords)
		return
	}
	from := rand.IntN(n - parts*size + 1)
	spans := span{from, from + parts*size}.cuts(parts)
	outcomes := d.probe(spans, l)
	taken := 0
	for i, o := range outcomes {
		if o.taken {
			taken++
			d.learn(spans[i], l)
			d.Suspects.clear(d.pieces, spans[i])
		}
	}
	d.History.sampled(parts+firstProbes, taken)
	rest := []span{{0, from}, {from + parts*size, n}}
	for i, o := range outcomes {
		switch {
		case o.why == nil:
		case spans[i].len() == 1:
			d.alone(spans[i].from, o.loss)
		default:
			rest = append(rest, spans[i])
		}
	}
	if taken == 0 {
		d.undivided(rest, l, inTheSameWords)
		return
	}
	d.undivided(rest, l, "bad records are spread over it")
}

// sample says how many parts of how many of n pieces a sample has, with so many requests left; no parts when it is not
// worth one.
func (p *History) sample(n, left int) (parts, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.vain > 3:
		left = min(left, hopelessProbes)
	case p.vain > 0:
		left = min(left, firstProbes)
	}
	if left < 1 || n < 2 {
		return 0, 0
	}
	size = max(1, (n+left-1)/left>>p.fine)
	return min(left, n/size), size
}

// sampled notes how many parts of a sample were taken, which cost so many requests with those before it.
func (p *History) sampled(requests, taken int) {
	if taken == 0 {
		p.hopeless()
	} else {
		p.useful(requests)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case taken == 0 && p.fine < 16:
		p.fine += 2
	case taken > requests/2 && p.fine > 0:
		p.fine--
	}
}
