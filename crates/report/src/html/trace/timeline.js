// Lanes of a trace on a canvas: what is drawn for the stretch of time that is shown.
function timelineView(data) {
  var box = document.getElementById('tl'), canvas = document.getElementById('tl-canvas'), g = canvas.getContext('2d');
  var LEFT = 112, AXIS = 24, HEAP = 74, THIN = 16, LANE = 22, GAP = 3, width = 0, height = 0, colours = {};
  var view = { from: 0, to: Math.max(data.duration, 1) }, rows = [], found = null, chosen = null, most = 1;
  data.heap.t.forEach(function (_, i) { most = Math.max(most, data.heap.heap[i], data.heap.goal[i] < 1e18 ? data.heap.goal[i] : 0); });

  function summed(t) {
    var start = new Float64Array(t[0].length), at = 0, i;
    for (i = 0; i < start.length; i++) { at += t[0][i]; start[i] = at; }
    return { start: start, length: t[1] };
  }
  function short(f) {
    var name = data.functions[f] || '(function not known)';
    return name.slice(name.lastIndexOf('/') + 1);
  }
  function row(kind, label, h, part) {
    var t = part && part.t ? summed(part.t) : { start: [], length: [] };
    rows.push({ kind: kind, label: label, h: h, y: 0, start: t.start, length: t.length, of: part || {} });
  }
  if (data.findings.length) row('find', 'look at', THIN);
  row('heap', 'heap, goal', HEAP);
  row('mark', 'GC mark', THIN, { t: data.marks });
  row('stop', 'stopped', THIN, data.stops);
  row('assist', 'mark assists', THIN, data.assists);
  data.procs.forEach(function (p) { row('proc', 'P' + p.p, LANE, p); });
  height = AXIS;
  rows.forEach(function (r) { r.y = height; height += r.h + GAP; });

  function theme() {
    var s = getComputedStyle(document.documentElement);
    ['ink', 'soft', 'line', 'wash', 'card', 'accent', 'bad', 'warn', 's1', 's3'].forEach(function (n) { colours[n] = s.getPropertyValue('--' + n).trim(); });
    colours.dark = matchMedia('(prefers-color-scheme: dark)').matches;
    hues.clear();
  }
  var hues = new Map();
  // A colour for each function that goroutines began with; the collector's own are grey.
  function colour(f) {
    var known = hues.get(f), name = data.functions[f] || '', h = 7, i;
    if (known) return known;
    for (i = 0; i < name.length; i++) h = (h * 31 + name.charCodeAt(i)) >>> 0;
    var grey = name === '' || /^runtime[./]/.test(name);
    known = 'hsl(' + h % 360 + ',' + (grey ? 6 : 52) + '%,' + (colours.dark ? 42 : 74) + '%)';
    hues.set(f, known);
    return known;
  }
  function x(t) { return LEFT + (t - view.from) / (view.to - view.from) * (width - LEFT); }
  function time(px) { return view.from + (px - LEFT) / (width - LEFT) * (view.to - view.from); }
  function ns(v) {
    var a = Math.abs(v);
    return a >= 1e9 ? (v / 1e9).toFixed(3) + ' s' : a >= 1e6 ? (v / 1e6).toFixed(3) + ' ms' : a >= 1e3 ? (v / 1e3).toFixed(2) + ' \u00b5s' : Math.round(v) + ' ns';
  }
  // The first slice that ends after a time: slices of a lane do not overlap, but for assists.
  function first(r, t) {
    var lo = 0, hi = r.start.length;
    if (r.kind === 'assist') return 0;
    while (lo < hi) {
      var mid = (lo + hi) >> 1;
      if (r.start[mid] + r.length[mid] < t) lo = mid + 1; else hi = mid;
    }
    return lo;
  }

  function axis() {
    var span = view.to - view.from, step = Math.pow(10, Math.floor(Math.log10(span / 5))), many = span / step / 5, t;
    step *= many > 5 ? 5 : many > 2 ? 2 : 1;
    g.fillStyle = colours.soft; g.strokeStyle = colours.line; g.lineWidth = 1;
    for (t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
      var at = Math.round(x(t)) + 0.5;
      g.beginPath(); g.moveTo(at, AXIS - 6); g.lineTo(at, height); g.stroke();
      g.fillText(ns(t), at + 4, 12);
    }
  }
  function label(r) {
    g.fillStyle = colours.card; g.fillRect(0, r.y, LEFT - 2, r.h);
    g.fillStyle = colours.ink; g.fillText(r.label, 10, r.y + Math.min(r.h, LANE) / 2);
    if (r.kind === 'heap') { g.fillStyle = colours.soft; g.fillText('up to ' + oomph.iec(most), 10, r.y + LANE + 8); }
  }
  function heap(r) {
    var t = data.heap.t, i, key;
    g.save(); g.beginPath(); g.rect(LEFT, r.y, width - LEFT, r.h); g.clip();
    [['goal', colours.s3], ['heap', colours.s1]].forEach(function (line) {
      key = data.heap[line[0]];
      g.strokeStyle = line[1]; g.lineWidth = line[0] === 'heap' ? 2 : 1.2; g.beginPath();
      var drawn = -9, open = false, before = 0;
      for (i = 0; i < t.length; i++) {
        var px = x(t[i]);
        if (i + 1 < t.length && x(t[i + 1]) < LEFT || px > width && open && x(t[i - 1]) > width) continue;
        if (px - drawn < 0.3 && i + 1 < t.length && key[i] <= key[i - 1]) continue;
        var y = r.y + r.h - 2 - Math.min(1, key[i] / most) * (r.h - 8);
        // A value holds until the next one.
        if (open) { g.lineTo(px, before); g.lineTo(px, y); } else g.moveTo(px, y);
        open = true; drawn = px; before = y;
      }
      if (open) g.lineTo(Math.max(x(data.duration), drawn), before);
      g.stroke();
    });
    g.restore();
  }
  function marks(r) {
    data.findings.forEach(function (f) {
      var px = x(f[0]);
      if (px < LEFT || px > width) return;
      g.fillStyle = colours.bad;
      g.beginPath(); g.moveTo(px - 5, r.y); g.lineTo(px + 5, r.y); g.lineTo(px, r.y + r.h - 2); g.fill();
      g.globalAlpha = 0.5; g.fillRect(px - 0.5, r.y + r.h, 1, height - r.y - r.h); g.globalAlpha = 1;
    });
  }
  function slices(r) {
    var fills = { mark: colours.accent, stop: colours.bad, assist: colours.warn }, done = -1, i;
    for (i = first(r, view.from); i < r.start.length && r.start[i] <= view.to; i++) {
      var a = Math.max(x(r.start[i]), LEFT), b = Math.min(x(r.start[i] + r.length[i]), width), wide = b - a;
      if (b < LEFT || b <= done && wide < 1) continue;
      var match = found && r.of.f && found[r.of.f[i]], w = Math.max(wide, r.kind === 'proc' ? 0.6 : 1.5);
      g.globalAlpha = found && r.of.f && !match ? 0.22 : 1;
      g.fillStyle = fills[r.kind] || colour(r.of.f[i]);
      if (match) w = Math.max(w, 1.5);
      g.fillRect(a, r.y, w, r.h);
      done = match ? a : a + w - 0.4;
      if (wide > 44 && r.kind !== 'mark') {
        var text = r.kind === 'stop' ? r.of.text[i] : 'G' + r.of.g[i] + ' ' + short(r.of.f[i]);
        if (r.of.n && r.of.n[i] > 1) text = '\u00d7' + oomph.count(r.of.n[i]) + ' ' + text;
        g.save(); g.beginPath(); g.rect(a, r.y, wide - 3, r.h); g.clip();
        g.fillStyle = r.kind === 'proc' ? colours.ink : colours.card;
        g.fillText(text, a + 4, r.y + r.h / 2);
        g.restore();
      }
      g.globalAlpha = 1;
      if (chosen && chosen.row === r && chosen.i === i) {
        g.strokeStyle = colours.ink; g.lineWidth = 2; g.strokeRect(a + 1, r.y + 1, Math.max(wide, 3) - 2, r.h - 2);
      }
    }
  }
  function draw() {
    var scale = devicePixelRatio || 1;
    width = box.clientWidth;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale);
      canvas.style.height = height + 'px';
    }
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = '12px system-ui, sans-serif'; g.textBaseline = 'middle';
    axis();
    rows.forEach(function (r) {
      if (r.kind !== 'find') { g.fillStyle = colours.wash; g.globalAlpha = 0.6; g.fillRect(LEFT, r.y, width - LEFT, r.h); g.globalAlpha = 1; }
      if (r.kind === 'heap') heap(r); else if (r.kind !== 'find') slices(r);
      label(r);
    });
    rows.forEach(function (r) { if (r.kind === 'find') marks(r); });
  }
  // What is drawn at a place: a lane and the number of the slice.
  function at(px, py) {
    var r = rows.find(function (r) { return py >= r.y && py < r.y + r.h + GAP; }), t = time(px), best = null, i;
    if (!r || px < LEFT) return null;
    var near = (view.to - view.from) / (width - LEFT) * 3;
    for (i = first(r, t - near); i < r.start.length && r.start[i] <= t + near; i++) {
      var off = Math.max(r.start[i] - t, t - r.start[i] - r.length[i], 0);
      if (off <= near && (!best || off < best.off)) best = { row: r, i: i, off: off };
    }
    return best || { row: r, i: -1, off: 0 };
  }
  // Lines that tell what a slice is.
  function told(hit, t) {
    var r = hit.row, i = hit.i, out = [];
    if (r.kind === 'heap') {
      var k = data.heap.t.findIndex(function (p) { return p > t; });
      k = k < 0 ? data.heap.t.length - 1 : Math.max(0, k - 1);
      return k < 0 ? null : ['heap in use ' + oomph.iec(data.heap.heap[k]), 'goal ' + oomph.iec(data.heap.goal[k]), 'at ' + ns(t)];
    }
    if (i < 0) return null;
    if (r.kind === 'mark') out.push('concurrent mark');
    if (r.kind === 'stop') out.push('stopped world: ' + r.of.text[i]);
    if (r.kind === 'assist') out.push('mark assist, from its beginning to its end');
    if (r.kind === 'proc' && r.of.n[i] > 1) out.push(oomph.count(r.of.n[i]) + ' runs on ' + r.label + ', ' + oomph.pct((r.length[i] - r.of.b[i]) / (r.length[i] || 1)) + ' of the time; the longest:');
    if (r.of.g && r.of.g[i] >= 0) out.push('G' + r.of.g[i] + (r.of.f ? ' ' + (data.functions[r.of.f[i]] || '(function not known)') : ''));
    out.push(ns(r.length[i]) + ' from ' + ns(r.start[i]));
    return out;
  }
  function show(from, to) {
    var most = Math.max(data.duration, 1), span = Math.min(Math.max(to - from, 50), most * 1.02);
    from = Math.min(Math.max(from, -0.01 * most), 1.01 * most - span);
    view.from = from; view.to = from + span;
    document.getElementById('tl-span').textContent = ns(Math.max(from, 0)) + ' to ' + ns(Math.min(view.to, most)) + ' (' + ns(span) + ' of ' + ns(most) + ')';
    requestAnimationFrame(draw);
  }
  return {
    box: box, view: view, rows: rows, LEFT: LEFT, theme: theme, time: time, at: at, told: told, show: show, ns: ns,
    draw: function () { requestAnimationFrame(draw); },
    find: function (set) { found = set; },
    choose: function (hit) { chosen = hit; }
  };
}
