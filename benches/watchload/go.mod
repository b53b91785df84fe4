module oomph.example/watchload

go 1.21
