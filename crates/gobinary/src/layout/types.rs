//! Type descriptors, interface tables, maps, and the containers of the standard library.
//! Declares which rows of `table.txt` are read into which field; holds no number itself.

use super::table::{Cells, Field, groups};

groups! {
    /// `runtime.hmap`, `src/runtime/map.go`.
    Hmap = "hmap" {
        size: u32 = "(size)",
        count: u32 = "count",
        flags: u32 = "flags",
        b: u32 = "B",
        noverflow: u32 = "noverflow",
        hash0: u32 = "hash0",
        buckets: u32 = "buckets",
        oldbuckets: u32 = "oldbuckets",
        nevacuate: u32 = "nevacuate",
        extra: u32 = "extra",
    }
    /// `runtime.mapextra`, `src/runtime/map.go`.
    Mapextra = "mapextra" {
        size: u32 = "(size)",
        overflow: u32 = "overflow",
        oldoverflow: u32 = "oldoverflow",
        next_overflow: u32 = "nextOverflow",
    }
    /// `runtime.bmap`, `src/runtime/map.go`.
    Bmap = "bmap" {
        size: u32 = "(size)",
        tophash: u32 = "tophash",
    }
    /// `internal/runtime/maps.Map`, `src/internal/runtime/maps/map.go`.
    SwissMap = "swiss_map" {
        size: u32 = "(size)",
        used: u32 = "used",
        seed: u32 = "seed",
        dir_ptr: u32 = "dirPtr",
        dir_len: u32 = "dirLen",
        global_depth: u32 = "globalDepth",
        global_shift: u32 = "globalShift",
        writing: u32 = "writing",
        tombstone_possible: Option<u32> = "tombstonePossible",
        clear_seq: u32 = "clearSeq",
    }
    /// `internal/runtime/maps.table`, `src/internal/runtime/maps/table.go`.
    SwissTable = "swiss_table" {
        size: u32 = "(size)",
        used: u32 = "used",
        capacity: u32 = "capacity",
        growth_left: u32 = "growthLeft",
        local_depth: u32 = "localDepth",
        index: u32 = "index",
        groups: u32 = "groups",
    }
    /// `internal/runtime/maps.groupsReference`, `src/internal/runtime/maps/group.go`.
    SwissGroups = "swiss_groups" {
        size: u32 = "(size)",
        data: u32 = "data",
        length_mask: u32 = "lengthMask",
    }
    /// `internal/abi.Type`, `src/internal/abi/type.go`.
    AbiType = "abi_type" {
        size: u32 = "(size)",
        size_: u32 = "Size_",
        ptr_bytes: u32 = "PtrBytes",
        hash: u32 = "Hash",
        tflag: u32 = "TFlag",
        align: u32 = "Align_",
        field_align: u32 = "FieldAlign_",
        kind: u32 = "Kind_",
        equal: u32 = "Equal",
        gc_data: u32 = "GCData",
        str: u32 = "Str",
        ptr_to_this: u32 = "PtrToThis",
    }
    /// `internal/abi.UncommonType`, `src/internal/abi/type.go`.
    UncommonType = "uncommon_type" {
        size: u32 = "(size)",
        pkg_path: u32 = "PkgPath",
        mcount: u32 = "Mcount",
        xcount: u32 = "Xcount",
        moff: u32 = "Moff",
    }
    /// `internal/abi.ArrayType`, `src/internal/abi/type.go`.
    ArrayType = "array_type" {
        size: u32 = "(size)",
        elem: u32 = "Elem",
        slice: u32 = "Slice",
        len: u32 = "Len",
    }
    /// `internal/abi.ChanType`, `src/internal/abi/type.go`.
    ChanType = "chan_type" {
        size: u32 = "(size)",
        elem: u32 = "Elem",
        dir: u32 = "Dir",
    }
    /// `internal/abi.FuncType`, `src/internal/abi/type.go`.
    FuncType = "func_type" {
        size: u32 = "(size)",
        in_count: u32 = "InCount",
        out_count: u32 = "OutCount",
    }
    /// `internal/abi.PtrType`, `src/internal/abi/type.go`.
    PtrType = "ptr_type" {
        size: u32 = "(size)",
        elem: u32 = "Elem",
    }
    /// `internal/abi.SliceType`, `src/internal/abi/type.go`.
    SliceType = "slice_type" {
        size: u32 = "(size)",
        elem: u32 = "Elem",
    }
    /// `internal/abi.StructType`, `src/internal/abi/type.go`.
    StructType = "struct_type" {
        size: u32 = "(size)",
        pkg_path: u32 = "PkgPath",
        fields: u32 = "Fields",
    }
    /// `internal/abi.StructField`, `src/internal/abi/type.go`.
    StructField = "struct_field" {
        size: u32 = "(size)",
        name: u32 = "Name",
        typ: u32 = "Typ",
        offset: u32 = "Offset",
    }
    /// `internal/abi.InterfaceType`, `src/internal/abi/type.go`.
    InterfaceType = "interface_type" {
        size: u32 = "(size)",
        pkg_path: u32 = "PkgPath",
        methods: u32 = "Methods",
    }
    /// `internal/abi.Imethod`, `src/internal/abi/type.go`.
    Imethod = "imethod" {
        size: u32 = "(size)",
        name: u32 = "Name",
        typ: u32 = "Typ",
    }
    /// `internal/abi.Method`, `src/internal/abi/type.go`.
    Method = "method" {
        size: u32 = "(size)",
        name: u32 = "Name",
        mtyp: u32 = "Mtyp",
        ifn: u32 = "Ifn",
        tfn: u32 = "Tfn",
    }
    /// `internal/abi.ITab`, `src/internal/abi/iface.go`.
    Itab = "itab" {
        size: u32 = "(size)",
        inter: u32 = "Inter",
        typ: u32 = "Type",
        hash: u32 = "Hash",
        fun: u32 = "Fun",
    }
    /// `runtime.maptype`, `src/internal/abi/map_noswiss.go`.
    ClassicMapType = "classic_map_type" {
        size: u32 = "(size)",
        key: u32 = "Key",
        elem: u32 = "Elem",
        bucket: u32 = "Bucket",
        hasher: u32 = "Hasher",
        key_size: u32 = "KeySize",
        value_size: u32 = "ValueSize",
        bucket_size: u32 = "BucketSize",
        flags: u32 = "Flags",
    }
    /// `internal/abi.MapType`, `src/internal/abi/map.go`.
    SwissMapType = "swiss_map_type" {
        size: u32 = "(size)",
        key: u32 = "Key",
        elem: u32 = "Elem",
        group: u32 = "Group",
        hasher: u32 = "Hasher",
        group_size: u32 = "GroupSize",
        slot_size: Option<u32> = "SlotSize",
        keys_off: Option<u32> = "KeysOff",
        key_stride: Option<u32> = "KeyStride",
        elems_off: Option<u32> = "ElemsOff",
        elem_stride: Option<u32> = "ElemStride",
        elem_off: u32 = "ElemOff",
        flags: u32 = "Flags",
    }
    /// `sync.Map`, `src/sync/map.go`.
    SyncMap = "sync_map" {
        size: u32 = "(size)",
        mu: Option<u32> = "mu",
        read: Option<Field> = "read",
        dirty: Option<u32> = "dirty",
        misses: Option<u32> = "misses",
        m: Option<u32> = "m",
    }
    /// `sync.readOnly`, `src/sync/map.go`.
    SyncMapReadOnly = "sync_map_read_only" {
        size: u32 = "(size)",
        m: u32 = "m",
        amended: u32 = "amended",
    }
    /// `sync.entry`, `src/sync/map.go`.
    SyncMapEntry = "sync_map_entry" {
        size: u32 = "(size)",
        p: u32 = "p",
    }
    /// `internal/sync.HashTrieMap[interface {},interface {}]`, `src/internal/sync/hashtriemap.go`.
    HashTrieMap = "hash_trie_map" {
        size: u32 = "(size)",
        root: u32 = "root",
        key_hash: u32 = "keyHash",
        seed: u32 = "seed",
    }
    /// `internal/sync.indirect[interface {},interface {}]`, `src/internal/sync/hashtriemap.go`.
    HashTrieIndirect = "hash_trie_indirect" {
        size: u32 = "(size)",
        dead: u32 = "dead",
        parent: u32 = "parent",
        children: u32 = "children",
    }
    /// `internal/sync.node[interface {},interface {}]`, `src/internal/sync/hashtriemap.go`.
    HashTrieNode = "hash_trie_node" {
        size: u32 = "(size)",
        is_entry: u32 = "isEntry",
    }
    /// `internal/sync.entry[interface {},interface {}]`, `src/internal/sync/hashtriemap.go`.
    HashTrieEntry = "hash_trie_entry" {
        size: u32 = "(size)",
        overflow: u32 = "overflow",
        key: u32 = "key",
        value: u32 = "value",
    }
    /// `sync.Pool`, `src/sync/pool.go`.
    Pool = "pool" {
        size: u32 = "(size)",
        local: u32 = "local",
        local_size: u32 = "localSize",
        victim: u32 = "victim",
        victim_size: u32 = "victimSize",
        new_func: u32 = "New",
    }
    /// `sync.poolLocal`, `src/sync/pool.go`.
    PoolLocal = "pool_local" {
        size: u32 = "(size)",
    }
    /// `sync.poolLocalInternal`, `src/sync/pool.go`.
    PoolLocalInternal = "pool_local_internal" {
        size: u32 = "(size)",
        private: u32 = "private",
        shared: u32 = "shared",
    }
    /// `sync.poolChain`, `src/sync/poolqueue.go`.
    PoolChain = "pool_chain" {
        size: u32 = "(size)",
        head: u32 = "head",
        tail: u32 = "tail",
    }
    /// `sync.poolDequeue`, `src/sync/poolqueue.go`.
    PoolDequeue = "pool_dequeue" {
        size: u32 = "(size)",
        head_tail: u32 = "headTail",
        vals: u32 = "vals",
    }
    /// `sync.poolChainElt`, `src/sync/poolqueue.go`.
    PoolChainElt = "pool_chain_elt" {
        size: u32 = "(size)",
        next: u32 = "next",
        prev: u32 = "prev",
    }
    /// `container/list.List`, `src/container/list/list.go`.
    List = "list" {
        size: u32 = "(size)",
        root: u32 = "root",
        len: u32 = "len",
    }
    /// `container/list.Element`, `src/container/list/list.go`.
    ListElement = "list_element" {
        size: u32 = "(size)",
        next: u32 = "next",
        prev: u32 = "prev",
        list: u32 = "list",
        value: u32 = "Value",
    }
}
