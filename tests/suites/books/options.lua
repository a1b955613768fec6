local opt = args{store = "string", count = 2}
print(opt.store .. " " .. opt.count)
