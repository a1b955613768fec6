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

// etcdLogger returns the logger for etcd itself, from level on. At level info etcd writes a page at each start, and
// while another instance is down it repeats its warnings every few seconds: they are sampled.
func etcdLogger(logger *zap.Logger, level zap.AtomicLevel) *zap.Logger {
	return logger.WithOptions(zap.IncreaseLevel(level), zap.WrapCore(func(core zapcore.Core) zapcore.Core {
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
