// The timeline answers to wheel, pointer, keys, search, and the address.
(function () {
  var data = JSON.parse(document.getElementById('timeline-data').textContent), v = timelineView(data), el = oomph.el;
  var view = v.view, find = document.getElementById('tl-find'), out = document.getElementById('tl-told'), all = data.duration || 1;
  var hashed = 0, drag = null;

  function zoom(factor, t) { go(t - (t - view.from) * factor, t + (view.to - t) * factor); }
  function move(share) { var by = (view.to - view.from) * share; go(view.from + by, view.to + by); }
  function go(from, to) {
    v.show(from, to);
    // The address follows, so that it can be passed on.
    clearTimeout(hashed);
    hashed = setTimeout(function () {
      var whole = view.from <= 0 && view.to >= all;
      history.replaceState(null, '', whole ? '#' : '#t=' + Math.max(0, Math.round(view.from)) + '-' + Math.round(view.to));
    }, 250);
  }
  function address() {
    var m = /^#t=(\d+)-(\d+)$/.exec(location.hash);
    if (m && +m[2] > +m[1]) { v.show(+m[1], +m[2]); v.box.scrollIntoView({ block: 'center' }); } else if (location.hash === '' || location.hash === '#') v.show(0, all);
  }
  function here(e) { var b = v.box.getBoundingClientRect(); return [e.clientX - b.left, e.clientY - b.top]; }

  v.box.addEventListener('wheel', function (e) {
    e.preventDefault();
    if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) move(e.deltaX / 1000);
    else zoom(Math.pow(1.0016, e.deltaY), v.time(here(e)[0]));
  }, { passive: false });
  v.box.addEventListener('pointerdown', function (e) {
    var at = here(e);
    if (e.button) return;
    drag = { x: at[0], y: at[1], from: view.from, to: view.to, moved: false, enter: e.shiftKey };
    v.box.setPointerCapture(e.pointerId);
    oomph.untip();
  });
  v.box.addEventListener('pointermove', function (e) {
    var at = here(e), t = v.time(at[0]);
    if (drag) {
      drag.moved = drag.moved || Math.abs(at[0] - drag.x) > 3;
      if (drag.moved && !drag.enter) {
        var by = (drag.x - at[0]) / (v.box.clientWidth - v.LEFT) * (drag.to - drag.from);
        go(drag.from + by, drag.to + by);
      }
      return;
    }
    var mark = data.findings.find(function (f) { return Math.abs(f[0] - t) < (view.to - view.from) / 150; });
    var hit = v.at(at[0], at[1]), lines = hit && v.told(hit, t);
    if (mark && hit && hit.row.kind === 'find') lines = [mark[1], 'at ' + v.ns(mark[0])];
    if (lines) oomph.tip(e, lines.join('\n')); else oomph.untip();
  });
  v.box.addEventListener('pointerleave', oomph.untip);
  v.box.addEventListener('pointerup', function (e) {
    var at = here(e), was = drag;
    drag = null;
    if (!was) return;
    if (was.moved && was.enter) {
      var a = v.time(was.x), b = v.time(at[0]);
      go(Math.min(a, b), Math.max(a, b));
    } else if (!was.moved) pick(v.at(at[0], at[1]), v.time(at[0]));
  });

  // Tells what was chosen, with its stack.
  function pick(hit, t) {
    out.textContent = '';
    var lines = hit && v.told(hit, t);
    v.choose(lines && hit.i >= 0 ? hit : null);
    if (lines) {
      lines.forEach(function (l) { out.append(el('div', '', l)); });
      var stack = hit.i >= 0 && hit.row.of.k ? data.stacks[hit.row.of.k[hit.i]] || [] : [], list = el('ol');
      stack.forEach(function (f) { list.append(el('li', '', data.frames[f])); });
      if (stack.length) out.append(el('div', 'num', hit.row.kind === 'proc' ? 'It stopped here:' : 'It was here:'), list);
    }
    v.draw();
  }

  function search() {
    var text = find.value.trim().toLowerCase(), set = {}, n = 0;
    if (!text) { v.find(null); v.draw(); return; }
    data.functions.forEach(function (f, i) { if (f.toLowerCase().indexOf(text) >= 0) { set[i] = true; n++; } });
    v.find(set);
    find.setAttribute('aria-invalid', n ? 'false' : 'true');
    v.draw();
  }
  // The next slice that matches, after what is in the middle.
  function next() {
    var text = find.value.trim().toLowerCase(), middle = (view.from + view.to) / 2, best = null;
    if (!text) return;
    v.rows.forEach(function (r) {
      if (r.kind !== 'proc') return;
      for (var i = 0; i < r.start.length; i++) {
        var t = r.start[i] + r.length[i] / 2;
        if (t > middle + 1 && (!best || t < best.t) && (data.functions[r.of.f[i]] || '').toLowerCase().indexOf(text) >= 0) { best = { row: r, i: i, t: t }; break; }
      }
    });
    if (!best) return;
    var half = Math.max((view.to - view.from) / 2, best.row.length[best.i]);
    go(best.t - half, best.t + half);
    pick(best, best.t);
  }
  find.addEventListener('input', search);
  find.addEventListener('keydown', function (e) { if (e.key === 'Enter') next(); });
  document.getElementById('tl-next').addEventListener('click', next);
  document.getElementById('tl-all').addEventListener('click', function () { go(0, all); });
  document.addEventListener('keydown', function (e) {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
    var middle = (view.from + view.to) / 2, keys = {
      w: function () { zoom(0.7, middle); }, s: function () { zoom(1 / 0.7, middle); },
      a: function () { move(-0.2); }, d: function () { move(0.2); }, n: next, '0': function () { go(0, all); },
      '/': function () { find.focus(); }
    };
    keys['+'] = keys['='] = keys.w; keys['-'] = keys.s;
    if (document.activeElement === v.box) { keys.ArrowLeft = keys.a; keys.ArrowRight = keys.d; keys.ArrowUp = keys.w; keys.ArrowDown = keys.s; }
    var act = keys[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (act) { act(); e.preventDefault(); }
  });
  addEventListener('hashchange', address);
  addEventListener('resize', v.draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', function () { v.theme(); v.draw(); });
  v.theme();
  v.show(0, all);
  address();
})();
