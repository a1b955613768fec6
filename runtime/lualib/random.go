package lualib

import "math/rand/v2"

// Random is the random generator of a task. Its numbers depend on the run's seed and on the position of the task
// among its siblings, not on which task runs first.
type Random struct {
	seed, stream uint64
	children     uint64
	source       *rand.PCG // nil until the first number
}

// NewRandom returns the generator of a run's first task.
func NewRandom(seed uint64) Random { return Random{seed: seed} }

func (r *Random) generator() *rand.Rand {
	if r.source == nil {
		r.source = rand.NewPCG(r.seed, r.stream)
	}
	return rand.New(r.source)
}

// reseed restarts the generator of the task and of those that it spawns later.
func (r *Random) reseed(seed uint64) { *r = Random{seed: seed, stream: r.stream} }

// Child returns the generator of the next spawned task.
func (r *Random) Child() Random {
	r.children++
	return Random{seed: r.seed, stream: scramble(r.stream + r.children)}
}

// scramble is the finaliser of splitmix64. It maps near inputs to distant outputs, and no two inputs to the same
// output.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
