// Package failpoint lets tests end, stop or fail a manager at named points of what it does to its disk.
//
// Only a program built with the tag failpoints has any; in all others each call is nothing. There the
// environment names the points:
//
//	DKV_FAILPOINT=prepare.written=kill,commit.renamed=eio@2
//
// A point is an operation (prepare, commit, abort) and a place: received, written (the temporary file),
// synced, renamed, durable (the folder is synced and nothing answered yet). What happens there is kill or
// stop (the signals), enospc or eio (the disk's answer; not at received and durable). @2 means the second
// time only. DKV_EXPIRE_AFTER and DKV_RESOLVE_EVERY shorten the protocol's times.
package failpoint
