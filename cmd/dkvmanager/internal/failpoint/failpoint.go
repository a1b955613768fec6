// Package failpoint lets tests kill, stop or fail a manager at named points of its disk writes.
//
// Only a program built with the tag failpoints has them; in all other builds the functions do nothing. The
// environment sets the points:
//
//	DKV_FAILPOINT=prepare.written=kill,commit.renamed=eio@2
//
// A point is an operation (prepare, commit, abort) and a place: received, written (the temporary file),
// synced, renamed, durable (the folder is synced, the response is not sent yet). The action is kill or stop
// (send the signal), enospc or eio (return the error; not at received and durable). @2 means the second
// pass only. DKV_EXPIRE_AFTER and DKV_RESOLVE_EVERY shorten the protocol's timeouts, DKV_ACCESS_STALE_AFTER the time
// after which a manager that hears no other one says so, DKV_LEAF_LIFETIME, DKV_LEAF_BACKDATE and DKV_RENEW_EVERY the
// life of the certificates of managers and instances.
package failpoint
