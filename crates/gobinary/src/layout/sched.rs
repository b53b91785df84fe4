//! Modules and their function tables, goroutines, threads, stacks, channels, timers.
//! Declares which rows of `table.txt` are read into which field; holds no number itself.

use super::table::{Cells, Field, groups};

groups! {
    /// `runtime.moduledata`, `src/runtime/symtab.go`.
    Moduledata = "moduledata" {
        size: u32 = "(size)",
        pc_header: u32 = "pcHeader",
        ftab: u32 = "ftab",
        minpc: u32 = "minpc",
        maxpc: u32 = "maxpc",
        text: u32 = "text",
        etext: u32 = "etext",
        noptrdata: u32 = "noptrdata",
        enoptrdata: u32 = "enoptrdata",
        data: u32 = "data",
        edata: u32 = "edata",
        bss: u32 = "bss",
        ebss: u32 = "ebss",
        noptrbss: u32 = "noptrbss",
        enoptrbss: u32 = "enoptrbss",
        end: u32 = "end",
        gcdata: u32 = "gcdata",
        gcbss: u32 = "gcbss",
        types: u32 = "types",
        etypes: u32 = "etypes",
        rodata: u32 = "rodata",
        gofunc: u32 = "gofunc",
        textsectmap: u32 = "textsectmap",
        typelinks: Option<u32> = "typelinks",
        itablinks: Option<u32> = "itablinks",
        typedesclen: Option<u32> = "typedesclen",
        itaboffset: Option<u32> = "itaboffset",
        itabsize: Option<u32> = "itabsize",
        pluginpath: u32 = "pluginpath",
        modulename: u32 = "modulename",
        hasmain: u32 = "hasmain",
        gcdatamask: u32 = "gcdatamask",
        gcbssmask: u32 = "gcbssmask",
        next: u32 = "next",
        funcnametab: u32 = "funcnametab",
        cutab: u32 = "cutab",
        filetab: u32 = "filetab",
        pctab: u32 = "pctab",
        pclntable: u32 = "pclntable",
    }
    /// `runtime.bitvector`, `src/runtime/stack.go`.
    Bitvector = "bitvector" {
        size: u32 = "(size)",
        n: u32 = "n",
        bytedata: u32 = "bytedata",
    }
    /// `runtime.pcHeader`, `src/runtime/symtab.go`.
    PcHeader = "pc_header" {
        size: u32 = "(size)",
        magic: u32 = "magic",
        min_lc: u32 = "minLC",
        ptr_size: u32 = "ptrSize",
        nfunc: u32 = "nfunc",
        nfiles: u32 = "nfiles",
        text_start: Option<u32> = "textStart",
        funcname_offset: u32 = "funcnameOffset",
        cu_offset: u32 = "cuOffset",
        filetab_offset: u32 = "filetabOffset",
        pctab_offset: u32 = "pctabOffset",
        pcln_offset: u32 = "pclnOffset",
    }
    /// `runtime.functab`, `src/runtime/symtab.go`.
    Functab = "functab" {
        size: u32 = "(size)",
        entryoff: u32 = "entryoff",
        funcoff: u32 = "funcoff",
    }
    /// `runtime._func`, `src/runtime/runtime2.go`.
    Func = "func" {
        size: u32 = "(size)",
        entry_off: u32 = "entryOff",
        name_off: u32 = "nameOff",
        args: u32 = "args",
        deferreturn: u32 = "deferreturn",
        pcsp: u32 = "pcsp",
        pcfile: u32 = "pcfile",
        pcln: u32 = "pcln",
        npcdata: u32 = "npcdata",
        cu_offset: u32 = "cuOffset",
        start_line: Option<u32> = "startLine",
        func_id: u32 = "funcID",
        flag: u32 = "flag",
        nfuncdata: u32 = "nfuncdata",
    }
    /// `runtime.inlinedCall`, `src/runtime/symtabinl.go`.
    InlinedCall = "inlined_call" {
        size: u32 = "(size)",
        parent: Option<u32> = "parent",
        func_id: u32 = "funcID",
        file: Option<u32> = "file",
        line: Option<u32> = "line",
        name_off: u32 = "nameOff",
        parent_pc: u32 = "parentPc",
        start_line: Option<u32> = "startLine",
    }
    /// `runtime.stackObjectRecord`, `src/runtime/stack.go`.
    StackObjectRecord = "stack_object_record" {
        size: u32 = "(size)",
        off: u32 = "off",
        object_size: u32 = "size",
        ptrdata: Option<u32> = "_ptrdata",
        gcdataoff: u32 = "gcdataoff",
    }
    /// `runtime.stackmap`, `src/runtime/symtab.go`.
    Stackmap = "stackmap" {
        size: u32 = "(size)",
        n: u32 = "n",
        nbit: u32 = "nbit",
        bytedata: u32 = "bytedata",
    }
    /// `runtime.stack`, `src/runtime/runtime2.go`.
    Stack = "stack" {
        size: u32 = "(size)",
        lo: u32 = "lo",
        hi: u32 = "hi",
    }
    /// `runtime.gobuf`, `src/runtime/runtime2.go`.
    Gobuf = "gobuf" {
        size: u32 = "(size)",
        sp: u32 = "sp",
        pc: u32 = "pc",
        g: u32 = "g",
        ctxt: u32 = "ctxt",
        lr: u32 = "lr",
        bp: u32 = "bp",
    }
    /// `runtime.g`, `src/runtime/runtime2.go`.
    G = "g" {
        size: u32 = "(size)",
        stack: u32 = "stack",
        panic: u32 = "_panic",
        defer: u32 = "_defer",
        m: u32 = "m",
        sched: Field = "sched",
        syscallsp: u32 = "syscallsp",
        syscallpc: u32 = "syscallpc",
        syscallbp: Option<u32> = "syscallbp",
        param: u32 = "param",
        atomicstatus: u32 = "atomicstatus",
        goid: u32 = "goid",
        waitsince: u32 = "waitsince",
        waitreason: u32 = "waitreason",
        lockedm: u32 = "lockedm",
        gopc: u32 = "gopc",
        startpc: u32 = "startpc",
        parent_goid: Option<u32> = "parentGoid",
        waiting: u32 = "waiting",
        cgo_ctxt: u32 = "cgoCtxt",
        labels: u32 = "labels",
        timer: u32 = "timer",
        coroarg: Option<u32> = "coroarg",
        bubble: Option<u32> = "bubble",
        x_regs: Option<u32> = "xRegs",
        gc_assist_bytes: u32 = "gcAssistBytes",
    }
    /// `runtime.m`, `src/runtime/runtime2.go`.
    M = "m" {
        size: u32 = "(size)",
        g0: u32 = "g0",
        procid: u32 = "procid",
        gsignal: u32 = "gsignal",
        tls: u32 = "tls",
        curg: u32 = "curg",
        p: u32 = "p",
        id: u32 = "id",
    }
    /// `runtime.p`, `src/runtime/runtime2.go`.
    P = "p" {
        size: u32 = "(size)",
        id: u32 = "id",
        status: u32 = "status",
        m: u32 = "m",
        mcache: u32 = "mcache",
        runqhead: u32 = "runqhead",
        runqtail: u32 = "runqtail",
        runq: u32 = "runq",
        runnext: u32 = "runnext",
        deferpool: u32 = "deferpool",
        sudogcache: u32 = "sudogcache",
        timers: Field = "timers",
        cleanups: Option<u32> = "cleanups",
    }
    /// `runtime.sudog`, `src/runtime/runtime2.go`.
    Sudog = "sudog" {
        size: u32 = "(size)",
        g: u32 = "g",
        next: u32 = "next",
        prev: u32 = "prev",
        elem: Field = "elem",
        is_select: u32 = "isSelect",
        parent: u32 = "parent",
        waitlink: u32 = "waitlink",
        waittail: u32 = "waittail",
        c: Field = "c",
    }
    /// `runtime.waitq`, `src/runtime/chan.go`.
    Waitq = "waitq" {
        size: u32 = "(size)",
        first: u32 = "first",
        last: u32 = "last",
    }
    /// `runtime.hchan`, `src/runtime/chan.go`.
    Hchan = "hchan" {
        size: u32 = "(size)",
        qcount: u32 = "qcount",
        dataqsiz: u32 = "dataqsiz",
        buf: u32 = "buf",
        elemsize: u32 = "elemsize",
        closed: u32 = "closed",
        timer: Option<u32> = "timer",
        elemtype: u32 = "elemtype",
        sendx: u32 = "sendx",
        recvx: u32 = "recvx",
        recvq: u32 = "recvq",
        sendq: u32 = "sendq",
        lock: u32 = "lock",
    }
    /// `runtime._defer`, `src/runtime/runtime2.go`.
    Defer = "defer" {
        size: u32 = "(size)",
        heap: u32 = "heap",
        rangefunc: Option<u32> = "rangefunc",
        sp: u32 = "sp",
        pc: u32 = "pc",
        func: u32 = "fn",
        link: u32 = "link",
        head: Option<u32> = "head",
        open_defer: Option<u32> = "openDefer",
        fd: Option<u32> = "fd",
        varp: Option<u32> = "varp",
        framepc: Option<u32> = "framepc",
    }
    /// `runtime._panic`, `src/runtime/runtime2.go`.
    Panic = "panic" {
        size: u32 = "(size)",
        argp: Option<u32> = "argp",
        arg: u32 = "arg",
        link: u32 = "link",
    }
    /// `runtime.timer`, `src/runtime/time.go`.
    Timer = "timer" {
        size: u32 = "(size)",
        when: u32 = "when",
        period: u32 = "period",
        f: u32 = "f",
        arg: u32 = "arg",
        is_chan: Option<u32> = "isChan",
    }
    /// `runtime.timers`, `src/runtime/time.go`.
    Timers = "timers" {
        size: u32 = "(size)",
        heap: u32 = "heap",
        len: u32 = "len",
    }
    /// `runtime.timerWhen`, `src/runtime/time.go`.
    TimerWhen = "timer_when" {
        size: u32 = "(size)",
        timer: u32 = "timer",
        when: u32 = "when",
    }
}
