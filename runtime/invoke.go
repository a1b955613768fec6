package runtime

import "context"

// Invoke calls a function that the script has left behind, after the script has ended, as a run of its
// own: it waits for the tasks that the function began and calls what it left for the end. Its errors are
// those of RunFile.
func (h *Host) Invoke(ctx context.Context, f *Func) error {
	h.scheduler.baton.take(h.root)
	defer h.scheduler.baton.pass()
	_, err := h.phase(ctx, f.fn, nil)
	return h.runAtExit(ctx, err)
}

// Ask does as Invoke, with arguments, and returns what the function returned, as RunFile does.
func (h *Host) Ask(ctx context.Context, f *Func, args ...any) ([]any, error) {
	return h.run(ctx, f.fn, args)
}
