(function () {
  var app = document.getElementById('flame-app');
  var data = document.getElementById('flame-data');
  if (!app || !data) return;
  var flames;
  try { flames = JSON.parse(data.textContent).filter(function (f) { return !f.empty; }); } catch (e) { return; }
  if (!flames.length) return;

  var el = oomph.el, iec = oomph.iec, pct = oomph.pct;
  function amount(f, v) { return f.unit === 'bytes' ? iec(v) : Math.round(v).toLocaleString('en-US') + (f.unit && f.unit !== 'count' ? ' ' + f.unit : ''); }
  function signed(f, v) { return (v > 0 ? '+' : '') + amount(f, v); }
  function shorten(n) {
    var end = n.indexOf('['), head = end < 0 ? n : n.slice(0, end), i = head.lastIndexOf('/');
    return i < 0 ? n : n.slice(i + 1);
  }

  // Adds parent, end of subtree, offset and own value to the columns, which are in depth-first order.
  function prepare(f) {
    var n = f.d.length, stack = [], i;
    f.p = new Int32Array(n); f.e = new Int32Array(n); f.x = new Float64Array(n);
    f.used = new Float64Array(n); f.s = f.names.map(shorten); f.deep = 0;
    for (i = 0; i < n; i++) {
      var d = f.d[i];
      while (stack.length > d) f.e[stack.pop()] = i;
      f.p[i] = d ? stack[d - 1] : 0;
      if (d) { f.x[i] = f.x[f.p[i]] + f.used[f.p[i]]; f.used[f.p[i]] += f.v[i]; }
      stack.push(i);
      if (d > f.deep) f.deep = d;
    }
    while (stack.length) f.e[stack.pop()] = n;
    f.zoom = 0; f.ready = true;
  }

  // Packages of the standard library have no dot in the first element of their import path.
  function colour(f, i) {
    if (i === 0) return '#d9dde1';
    if (f.signed) {
      var r = f.v[i] ? f.n[i] / f.v[i] : 0, t = Math.min(1, Math.abs(r));
      var from = [236, 236, 236], to = r >= 0 ? [240, 140, 60] : [150, 140, 220];
      return 'rgb(' + from.map(function (c, k) { return Math.round(c + (to[k] - c) * t); }).join(',') + ')';
    }
    var n = f.names[f.f[i]], head = n.split('[')[0], slash = head.lastIndexOf('/');
    var dot = head.indexOf('.', slash + 1), pkg = dot < 0 ? head : head.slice(0, dot), h = 0, k;
    for (k = 0; k < pkg.length; k++) h = (h * 31 + pkg.charCodeAt(k)) >>> 0;
    var first = pkg.split('/')[0], own = first === 'main' || (slash >= 0 && first.indexOf('.') >= 0);
    return own ? 'hsl(' + (16 + h % 26) + ',' + (72 + h % 18) + '%,' + (66 + (h >> 5) % 9) + '%)'
      : 'hsl(' + (200 + h % 20) + ',' + (14 + h % 12) + '%,' + (76 + (h >> 5) % 8) + '%)';
  }

  var ROW = 20, current = 0, term = '', focused = 0, cells = [];
  var box = el('div', 'flame'), tabs = el('div', 'tabs'), tools = el('div', 'tools'), note = el('p', 'note');
  var canvas = el('div', 'canvas'), where = el('p', 'where'), scale = el('div', 'scale');
  var search = el('input'), hits = el('span', 'hits'), reset = el('button', '', 'Reset zoom');
  tabs.setAttribute('role', 'tablist');
  tabs.setAttribute('aria-label', 'Flame graph');
  search.type = 'search'; search.placeholder = 'Search functions ( / )';
  search.setAttribute('aria-label', 'Search functions');
  hits.setAttribute('role', 'status');
  reset.type = 'button';
  canvas.setAttribute('role', 'tree'); canvas.id = 'flame-canvas';
  tools.append(search, reset, hits, el('span', 'help', 'Click or Enter zooms, Esc goes back, arrows move'));
  box.append(tabs, tools, note, canvas, where, scale);
  app.append(box); app.hidden = false;

  flames.forEach(function (f, i) {
    var b = el('button', '', f.name);
    b.type = 'button'; b.id = 'flame-tab-' + i;
    b.setAttribute('role', 'tab');
    b.setAttribute('aria-controls', 'flame-canvas');
    b.onclick = function () { show(i); };
    b.onkeydown = function (e) {
      var d = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
      if (!d) return;
      show((current + d + flames.length) % flames.length);
      tabs.children[current].focus();
      e.preventDefault();
    };
    tabs.append(b);
  });

  function show(i) {
    current = i;
    var f = flames[i];
    if (!f.ready) prepare(f);
    Array.from(tabs.children).forEach(function (b, k) {
      b.setAttribute('aria-selected', k === i ? 'true' : 'false');
      b.tabIndex = k === i ? 0 : -1;
    });
    note.textContent = (f.note ? f.note + ' ' : '') + f.cut;
    canvas.setAttribute('aria-labelledby', 'flame-tab-' + i);
    legend(f);
    focused = f.zoom;
    draw();
  }

  function legend(f) {
    var rows = f.signed
      ? [['rgb(240,140,60)', 'grew (+)'], ['rgb(236,236,236)', 'grew and shrank alike'], ['rgb(150,140,220)', 'shrank (\u2212)'], ['', 'width: all change; the sign and amount stand in the label']]
      : [['hsl(30,80%,70%)', 'modules with a domain, and main'], ['hsl(210,20%,80%)', 'standard library and runtime'], ['', 'width: ' + (f.unit === 'bytes' ? 'bytes' : f.unit || 'count') + ', callers above callees']];
    scale.replaceChildren.apply(scale, rows.map(function (r) {
      var s = el('span');
      if (r[0]) { var sw = el('i'); sw.style.background = r[0]; s.append(sw); }
      s.append(r[1]);
      return s;
    }));
  }

  function describe(f, i) {
    var v = f.signed ? signed(f, f.n[i]) + ' net of ' + amount(f, f.v[i]) + ' changed' : amount(f, f.v[i]);
    var own = f.v[i] - f.used[i], out = v + ', ' + pct(f.v[i] / (f.v[0] || 1)) + ' of all';
    if (f.zoom && i >= f.zoom && i < f.e[f.zoom]) out += ', ' + pct(f.v[i] / (f.v[f.zoom] || 1)) + ' of the zoomed frame';
    if (own > 0) out += '; own or folded ' + amount(f, own);
    return out;
  }

  function draw() {
    var f = flames[current], z = f.zoom, W = canvas.clientWidth || 1000, i;
    var vz = f.v[z] || 1, low = term.toLowerCase(), base = f.d[z], depth = base, frag = document.createDocumentFragment();
    var hit = low ? f.names.map(function (n) { return n.toLowerCase().indexOf(low) >= 0; }) : null;
    cells = [];
    function cell(i, left, width, up) {
      var d = el('div'), px = width / 100 * W;
      d.style.cssText = 'left:' + left.toFixed(4) + '%;width:' + width.toFixed(4) + '%;top:' + f.d[i] * ROW + 'px;background:' + colour(f, i);
      if (px > 22) d.textContent = f.s[f.f[i]] + (f.signed && px > 90 ? ' ' + signed(f, f.n[i]) : ''); else d.className = 'thin';
      if (up) d.className += ' up';
      if (hit && hit[f.f[i]]) d.className += ' hit';
      d.dataset.i = i;
      d.tabIndex = -1;
      d.setAttribute('role', 'treeitem');
      d.setAttribute('aria-level', f.d[i] + 1);
      d.setAttribute('aria-label', f.s[f.f[i]] + ', ' + describe(f, i));
      cells[i] = d;
      frag.append(d);
    }
    for (i = z; i !== 0;) { i = f.p[i]; cell(i, 0, 100, true); }
    for (i = z; i < f.e[z];) {
      var width = f.v[i] / vz * 100;
      if (width / 100 * W < 0.8) { i = f.e[i]; continue; }
      cell(i, (f.x[i] - f.x[z]) / vz * 100, width, false);
      if (f.d[i] > depth) depth = f.d[i];
      i++;
    }
    canvas.replaceChildren(frag);
    canvas.style.height = (depth + 1) * ROW + 'px';
    canvas.classList.toggle('searching', !!low);
    reset.disabled = z === 0;
    if (!cells[focused]) focused = z;
    cells[focused].tabIndex = 0;
    status(focused);
    matched(f, hit);
  }

  // Sums the outermost matches inside the zoomed frame, so that recursion counts once.
  function matched(f, hit) {
    if (!hit) { hits.textContent = ''; return; }
    var sum = 0, net = 0, count = 0, z = f.zoom, i;
    for (i = z; i < f.e[z];) {
      if (hit[f.f[i]]) { sum += f.v[i]; net += f.signed ? f.n[i] : 0; count++; i = f.e[i]; } else i++;
    }
    hits.textContent = 'matched ' + pct(sum / (f.v[z] || 1)) + ' (' + (f.signed ? signed(f, net) + ' net' : amount(f, sum)) + ', ' + count + (count === 1 ? ' frame)' : ' frames)');
  }

  function status(i) {
    var f = flames[current];
    where.replaceChildren(el('b', '', f.names[f.f[i]]), ' ' + describe(f, i));
  }
  function target(e) {
    var d = e.target.closest ? e.target.closest('[data-i]') : null;
    return d ? +d.dataset.i : -1;
  }
  function zoom(i) { flames[current].zoom = i; focused = i; oomph.untip(); draw(); }
  function focus(i) {
    if (i < 0 || !cells[i]) return;
    if (cells[focused]) cells[focused].tabIndex = -1;
    focused = i;
    cells[i].tabIndex = 0;
    cells[i].focus();
    status(i);
  }
  function beside(i, step) {
    var f = flames[current], k = i + step;
    while (k >= 0 && k < f.d.length && (f.d[k] !== f.d[i] || !cells[k])) k += step;
    return k >= 0 && k < f.d.length ? k : -1;
  }

  canvas.onclick = function (e) {
    var i = target(e);
    if (i >= 0) { zoom(i); cells[focused].focus({ preventScroll: true }); }
  };
  canvas.onmousemove = function (e) {
    var i = target(e), f = flames[current];
    if (i < 0) { oomph.untip(); return; }
    status(i);
    oomph.tip(e, f.names[f.f[i]] + '\n' + describe(f, i));
  };
  canvas.onmouseleave = function () { oomph.untip(); status(focused); };
  canvas.onkeydown = function (e) {
    var f = flames[current], i = target(e);
    if (i < 0 || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === 'ArrowDown') focus(i + 1 < f.e[i] ? i + 1 : -1);
    else if (e.key === 'ArrowUp') focus(i ? f.p[i] : -1);
    else if (e.key === 'ArrowRight') focus(beside(i, 1));
    else if (e.key === 'ArrowLeft') focus(beside(i, -1));
    else if (e.key === 'Enter' || e.key === ' ') { zoom(i); cells[focused].focus(); }
    else if (e.key === 'Escape' || e.key === 'Backspace') { zoom(f.p[f.zoom]); cells[focused].focus(); }
    else if (e.key === 'Home') { zoom(0); cells[focused].focus(); }
    else return;
    e.preventDefault();
  };
  reset.onclick = function () { zoom(0); };
  var timer = 0;
  search.oninput = function () {
    clearTimeout(timer);
    timer = setTimeout(function () { term = search.value.trim(); draw(); }, 60);
  };
  search.onkeydown = function (e) {
    if (e.key === 'Escape') { search.value = ''; term = ''; draw(); e.preventDefault(); }
  };
  document.addEventListener('keydown', function (e) {
    var t = e.target.tagName;
    if (e.key === '/' && t !== 'INPUT' && t !== 'TEXTAREA' && !e.ctrlKey && !e.metaKey) { search.focus(); e.preventDefault(); }
  });
  var seen = 0;
  if (window.ResizeObserver) new ResizeObserver(function () {
    if (canvas.clientWidth !== seen) { seen = canvas.clientWidth; draw(); }
  }).observe(canvas);
  show(0);
})();
