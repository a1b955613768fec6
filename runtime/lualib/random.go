package lualib

import "math/rand/v2"

// Random is a task's generator of random numbers. Its seed follows from that of the run and from
// which task it is, not from which one runs first.
type Random struct {
	seed, stream uint64
	children     uint64
	source       *rand.PCG // nil until the first number
}

// NewRandom makes the generator of a run's first task.
func NewRandom(seed uint64) Random { return Random{seed: seed} }

func (r *Random) generator() *rand.Rand {
	if r.source == nil {
		r.source = rand.NewPCG(r.seed, r.stream)
	}
	return rand.New(r.source)
}

// reseed begins anew, for the task and for those that it begins from here on.
func (r *Random) reseed(seed uint64) { *r = Random{seed: seed, stream: r.stream} }

// Child is the generator of the next task begun.
func (r *Random) Child() Random {
	r.children++
	return Random{seed: r.seed, stream: scramble(r.stream + r.children)}
}

// scramble is the finaliser of splitmix64: near inputs have far outputs, and no two have the same.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
