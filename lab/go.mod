module oomph.example/lab

go 1.21
