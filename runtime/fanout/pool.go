package fanout

import (
	"sync"
	"time"
)

const (
	// maxIdle bounds the descriptors that connections without a request hold.
	maxIdle = 1024
	// maxIdleTime stays under the minute after which a manager closes a silent connection.
	maxIdleTime = 45 * time.Second
)

// pool keeps connections between requests, the latest used first.
type pool struct {
	mu     sync.Mutex
	conns  map[Endpoint][]*conn
	count  int
	closed bool
}

// take gives a connection that is still alive, or nil. Its deadline is set.
func (p *pool) take(e Endpoint, deadline time.Time) *conn {
	for {
		cn := p.pop(e)
		if cn == nil || time.Since(cn.idleSince) < maxIdleTime && cn.alive(deadline) {
			return cn
		}
		cn.close()
	}
}

func (p *pool) pop(e Endpoint) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.conns[e]
	if len(list) == 0 {
		return nil
	}
	cn := list[len(list)-1]
	p.count--
	if len(list) == 1 {
		delete(p.conns, e)
	} else {
		p.conns[e] = list[:len(list)-1]
	}
	return cn
}

// put keeps a connection whose answer was read to its end.
func (p *pool) put(cn *conn) {
	cn.idleSince, cn.reused = time.Now(), true
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count >= maxIdle {
		p.expire(cn.idleSince.Add(-maxIdleTime))
	}
	if p.closed || p.count >= maxIdle {
		cn.close()
		return
	}
	p.conns[cn.endpoint] = append(p.conns[cn.endpoint], cn)
	p.count++
}

// expire drops what has been idle since before t. The caller holds mu.
func (p *pool) expire(t time.Time) {
	for e, list := range p.conns {
		young := list[:0]
		for _, cn := range list {
			if cn.idleSince.Before(t) {
				cn.close()
			} else {
				young = append(young, cn)
			}
		}
		p.count -= len(list) - len(young)
		if len(young) == 0 {
			delete(p.conns, e)
		} else {
			p.conns[e] = young
		}
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.conns {
		for _, cn := range list {
			cn.close()
		}
	}
	clear(p.conns)
	p.count = 0
}
