module gctruth

go 1.21
