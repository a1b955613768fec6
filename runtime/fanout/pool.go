package fanout

import (
	"container/list"
	"slices"
	"sync"
	"time"
)

const (
	// maxIdle bounds the idle connections, each of which holds a descriptor.
	maxIdle = 1024
	// maxIdleTime is less than the minute after which a manager closes an idle connection.
	maxIdleTime = 45 * time.Second
)

// pool holds idle connections. The connection used last is reused first.
type pool struct {
	mu     sync.Mutex
	conns  map[Endpoint][]*conn
	order  list.List // the same connections, the longest idle first
	closed bool
}

// take returns a connection that is still open, with its deadline set, or nil.
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

// remove removes the connection at an index of its endpoint's list. The caller holds mu.
func (p *pool) remove(cn *conn, at int) {
	p.order.Remove(cn.idle)
	list := p.conns[cn.endpoint]
	if len(list) == 1 {
		delete(p.conns, cn.endpoint)
	} else {
		p.conns[cn.endpoint] = slices.Delete(list, at, at+1)
	}
}

// put adds a connection whose answer was read completely.
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

// expire closes connections that became idle before t. The caller holds mu.
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
