package etcd

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// newLogger writes lines for people: time, level, message, fields.
func newLogger(w io.Writer) *zap.Logger {
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	config.EncodeLevel = zapcore.CapitalLevelEncoder
	config.CallerKey = zapcore.OmitKey
	config.StacktraceKey = zapcore.OmitKey
	sink := zapcore.Lock(zapcore.AddSync(w))
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(config), sink, zap.InfoLevel))
}

// etcdLogger is the logger for etcd itself, from level on. Its information is a page a start; what it warns of while
// another instance is down, it says every few seconds for as long as that takes.
func etcdLogger(logger *zap.Logger, level zap.AtomicLevel) *zap.Logger {
	return logger.WithOptions(zap.IncreaseLevel(level), zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Hour, 20, 0)
	}))
}

// setCondition reports the condition, and logs it where it is news.
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
