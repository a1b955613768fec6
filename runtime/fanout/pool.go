package fanout

import (
	"container/list"
	"slices"
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
	order  list.List // the same, those that have been idle the longest first
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
	p.remove(cn, len(list)-1)
	return cn
}

// remove takes out the connection at a place of its endpoint's list. The caller holds mu.
func (p *pool) remove(cn *conn, at int) {
	p.order.Remove(cn.idle)
	list := p.conns[cn.endpoint]
	if len(list) == 1 {
		delete(p.conns, cn.endpoint)
	} else {
		p.conns[cn.endpoint] = slices.Delete(list, at, at+1)
	}
}

// put keeps a connection whose answer was read to its end.
func (p *pool) put(cn *conn) {
	cn.idleSince, cn.reused = time.Now(), true
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(cn.idleSince.Add(-maxIdleTime))
	if p.closed || p.order.Len() >= maxIdle {
		cn.close()
		return
	}
	p.conns[cn.endpoint] = append(p.conns[cn.endpoint], cn)
	cn.idle = p.order.PushBack(cn)
}

// expire drops what has been idle since before t. The caller holds mu.
func (p *pool) expire(t time.Time) {
	for e := p.order.Front(); e != nil; e = p.order.Front() {
		cn := e.Value.(*conn)
		if !cn.idleSince.Before(t) {
			return
		}
		p.remove(cn, slices.Index(p.conns[cn.endpoint], cn))
		cn.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for e := p.order.Front(); e != nil; e = e.Next() {
		e.Value.(*conn).close()
	}
	p.order.Init()
	clear(p.conns)
}
