package etcd

import (
	"io"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// newLogger returns a logger that writes lines for people: time, level, message, fields.
func newLogger(w io.Writer) *zap.Logger {
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	config.EncodeLevel = zapcore.CapitalLevelEncoder
	config.CallerKey = zapcore.OmitKey
	config.StacktraceKey = zapcore.OmitKey
	sink := zapcore.Lock(zapcore.AddSync(w))
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(config), sink, zap.InfoLevel))
}

// lastWord is what zap does after an entry with which etcd ends the process: it reports the entry as the reason.
type lastWord struct {
	report *engine.Report
	then   zapcore.CheckWriteAction
}

// OnWrite implements zapcore.CheckWriteHook.
func (l lastWord) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	reason := e.Message
	for _, f := range fields {
		if err, is := f.Interface.(error); is && f.Type == zapcore.ErrorType {
			reason += ": " + err.Error()
		}
	}
	l.report.End(reason)
	l.then.OnWrite(e, fields)
}

// etcdLogger returns the logger for etcd itself, from level on. At level info etcd writes a page at each start, and
// while another instance is down it repeats its warnings every few seconds: they are sampled.
func etcdLogger(logger *zap.Logger, report *engine.Report, level zap.AtomicLevel) *zap.Logger {
	return logger.WithOptions(zap.IncreaseLevel(level),
		zap.WithPanicHook(lastWord{report, zapcore.WriteThenPanic}),
		zap.WithFatalHook(lastWord{report, zapcore.WriteThenFatal}),
		zap.WrapCore(func(core zapcore.Core) zapcore.Core {
			return zapcore.NewSamplerWithOptions(core, time.Hour, 20, 0)
		}))
}

// removedMessage is what etcd logs when its server stops because its member was removed, which it says in no other way.
const removedMessage = "data-dir used by this member must be removed"

// noteRemoval sets removed when etcd logs removedMessage.
func noteRemoval(removed *atomic.Bool) zap.Option {
	return zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == removedMessage {
			removed.Store(true)
		}
		return nil
	})
}

// setCondition reports the condition, and logs it if it has changed.
func setCondition(report *engine.Report, logger *zap.Logger, c engine.Condition) {
	if !report.Set(c) {
		return
	}
	if c.Ready {
		logger.Info("ready")
	} else {
		logger.Info("not ready", zap.String("reason", c.Reason))
	}
}
