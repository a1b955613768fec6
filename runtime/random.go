package runtime

import "math/rand/v2"

// random is a task's generator of random numbers. Its seed follows from that of the run and from
// which task it is, not from which one runs first.
type random struct {
	seed, stream uint64
	children     uint64
	source       *rand.PCG // nil until the first number
}

func (r *random) generator() *rand.Rand {
	if r.source == nil {
		r.source = rand.NewPCG(r.seed, r.stream)
	}
	return rand.New(r.source)
}

// reseed begins anew, for the task and for those that it begins from here on.
func (r *random) reseed(seed uint64) { *r = random{seed: seed, stream: r.stream} }

// child is the generator of the next task begun.
func (r *random) child() random {
	r.children++
	return random{seed: r.seed, stream: scramble(r.stream + r.children)}
}

// scramble is the finaliser of splitmix64: near inputs have far outputs, and no two have the same.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
