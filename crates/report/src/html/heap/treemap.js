// The treemap of a heap can be entered: draws the rectangles for what was entered and the size of the window.
function treemap(data) {
  var el = oomph.el, iec = oomph.iec, pct = oomph.pct, count = oomph.count;
  var tiles = document.getElementById('treemap-tiles'), path = document.getElementById('treemap-path');
  var where = document.getElementById('treemap-where');
  var n = data.parent.length, below = [], i, at = 0, focused = 0, cells = [], lit = null;
  for (i = 0; i < n; i++) below.push([]);
  for (i = 1; i < n; i++) below[data.parent[i]].push(i);
  below.forEach(function (b) { b.sort(function (x, y) { return data.retained[y] - data.retained[x] || x - y; }); });

  function label(i) { return data.shorts[data.name[i]] || data.names[data.name[i]]; }
  // A root without what it leads to: that follows.
  function plain(i) { return label(i).split(' \u2192 ')[0]; }
  function way(i) {
    var out = [i];
    while (i) { i = data.parent[i]; out.unshift(i); }
    return out;
  }
  function number(i) {
    var map = label(i).indexOf('map[') === 0, out = '';
    if (data.count[i] > 1) out = '\u00d7 ' + count(data.count[i]);
    if (data.inner[i]) out += (out ? ' ' : '') + '+ ' + count(data.inner[i]) + (map ? ' parts' : ' linked');
    return out;
  }
  function sizes(i) {
    var out = iec(data.retained[i]) + ', ' + pct(data.retained[i] / (data.all || 1)) + ' of the heap';
    if (i && data.parent[i]) out += ', ' + pct(data.retained[i] / (data.retained[data.parent[i]] || 1)) + ' of what is above it';
    if (data.own[i]) out += '; ' + iec(data.own[i]) + ' its own';
    return out;
  }
  function told(i) {
    var lines = way(i).slice(i ? 1 : 0).map(function (k) {
      var via = data.names[data.via[k]];
      return (via ? via + ' ' : '') + (k === i ? label(k) : plain(k));
    });
    var more = number(i), address = data.address[i];
    return lines.join(' \u2192 ') + '\n' + sizes(i) + (more ? '\n' + more : '') + (address ? '\nat ' + address : '');
  }

  // As squarify in treemap.rs.
  function ratio(largest, smallest, area, side) {
    var s2 = side * side, a2 = area * area;
    return s2 > 0 && a2 > 0 && smallest > 0 ? Math.max(s2 * largest / a2, a2 / (s2 * smallest)) : Infinity;
  }
  function squarify(list, own, w, h) {
    var sum = list.reduce(function (a, b) { return a + b; }, own), out = [], x = 0, y = 0, k = 0;
    if (!(sum > 0) || w <= 0 || h <= 0) return out;
    var scale = w * h / sum;
    while (k < list.length) {
      var side = Math.min(w, h), area = list[k] * scale, end = k + 1, worst = ratio(area, area, area, side);
      while (end < list.length) {
        var then = ratio(list[k] * scale, list[end] * scale, area + list[end] * scale, side);
        if (then > worst) break;
        area += list[end++] * scale;
        worst = then;
      }
      var thick = side > 0 ? area / side : 0, along = 0, beside = w >= h;
      for (; k < end; k++) {
        var long = thick > 0 ? list[k] * scale / thick : 0;
        out.push(beside ? [x, y + along, thick, long] : [x + along, y, long, thick]);
        along += long;
      }
      if (beside) { x += thick; w = Math.max(0, w - thick); } else { y += thick; h = Math.max(0, h - thick); }
    }
    return out;
  }

  function fill(box, of, w, h, level) {
    var list = below[of].filter(function (i) { return data.retained[i] > 0; });
    var sum = list.reduce(function (a, i) { return a + data.retained[i]; }, 0);
    squarify(list.map(function (i) { return data.retained[i]; }), Math.max(0, data.retained[of] - sum), w, h).forEach(function (r, k) {
      var i = list[k], left = Math.round(r[0]), top = Math.round(r[1]);
      var wide = Math.round(r[0] + r[2]) - left, high = Math.round(r[1] + r[3]) - top;
      if (wide < 3 || high < 3) return;
      var d = el('div', 'tile k' + data.kind[i] + (below[i].length ? ' more' : ''));
      d.style.cssText = 'left:' + left + 'px;top:' + top + 'px;width:' + wide + 'px;height:' + high + 'px';
      d.dataset.i = i;
      d.tabIndex = -1;
      d.setAttribute('role', 'treeitem');
      d.setAttribute('aria-level', level);
      d.setAttribute('aria-label', label(i) + ' ' + number(i) + ', ' + sizes(i));
      if (wide >= 34 && high >= 15) {
        var s = el('span'), via = data.names[data.via[i]];
        if (via) s.append(el('i', '', via), ' ');
        s.append(label(i) + ' ');
        s.append(el('b', '', iec(data.retained[i])));
        d.append(s);
      }
      cells[i] = d;
      box.append(d);
      if (level < 4 && wide >= 56 && high >= 46 && below[i].length) {
        var inner = el('div', 'in');
        inner.setAttribute('role', 'group');
        d.append(inner);
        fill(inner, i, wide - 4, high - 21, level + 1);
      }
    });
  }

  function draw() {
    cells = [];
    tiles.replaceChildren();
    fill(tiles, at, tiles.clientWidth, tiles.clientHeight, 1);
    if (!below[at].length) tiles.append(el('p', 'note', 'Nothing is known below ' + label(at) + '.'));
    path.replaceChildren();
    way(at).forEach(function (i, k) {
      if (k) path.append(el('span', '', '\u203a'));
      var b = el('button', '', i === at ? label(i) : plain(i));
      b.type = 'button';
      b.title = data.names[data.name[i]];
      if (i === at) b.setAttribute('aria-current', 'true');
      b.onclick = function () { enter(i); };
      path.append(b);
    });
    path.append(el('span', 'help', 'Click or Enter goes in, Esc out, arrows move'));
    if (!cells[focused]) focused = below[at][0] || at;
    if (cells[focused]) cells[focused].tabIndex = 0;
    status(at);
  }
  function status(i) {
    var link = el('a', '', 'show in the tree');
    link.href = '#r' + i;
    where.replaceChildren(el('b', '', label(i)), ' ' + number(i) + (number(i) ? ', ' : '') + sizes(i) + ' \u2013 ', link);
  }
  function enter(i) {
    if (!below[i].length) return;
    at = i; focused = -1;
    oomph.untip();
    draw();
  }
  function focus(i) {
    if (!cells[i]) return;
    if (cells[focused]) cells[focused].tabIndex = -1;
    focused = i;
    cells[i].tabIndex = 0;
    cells[i].focus();
    status(i);
  }
  function beside(i, step) {
    var all = below[data.parent[i]], k = all.indexOf(i) + step;
    return k >= 0 && k < all.length ? all[k] : -1;
  }
  function target(e) {
    var d = e.target.closest('[data-i]');
    return d ? +d.dataset.i : -1;
  }
  function light(i) {
    if (lit) lit.classList.remove('hover');
    lit = i >= 0 ? cells[i] : null;
    if (lit) lit.classList.add('hover');
  }

  // Goes in by one step towards what was clicked; what has nothing below shows its way.
  tiles.onclick = function (e) {
    var i = target(e);
    if (i < 0) return;
    var first = i;
    while (data.parent[first] !== at && first) first = data.parent[first];
    if (below[first].length) enter(first); else status(i);
    if (cells[focused]) cells[focused].focus({ preventScroll: true });
  };
  tiles.onmousemove = function (e) {
    var i = target(e);
    light(i);
    if (i < 0) { oomph.untip(); return; }
    oomph.tip(e, told(i));
  };
  tiles.onmouseleave = function () { light(-1); oomph.untip(); };
  tiles.onkeydown = function (e) {
    var i = target(e);
    if (i < 0 || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === 'ArrowRight') focus(beside(i, 1));
    else if (e.key === 'ArrowLeft') focus(beside(i, -1));
    else if (e.key === 'ArrowDown') focus(below[i].length ? below[i][0] : -1);
    else if (e.key === 'ArrowUp') focus(data.parent[i] === at ? -1 : data.parent[i]);
    else if (e.key === 'Enter' || e.key === ' ') { enter(i); focus(focused); }
    else if (e.key === 'Escape' || e.key === 'Backspace') { var from = at; enter(data.parent[at]); focus(from); }
    else if (e.key === 'Home') { enter(0); focus(focused); }
    else return;
    e.preventDefault();
  };
  tiles.setAttribute('role', 'tree');
  tiles.setAttribute('aria-label', 'Treemap of what is retained');
  path.hidden = where.hidden = false;
  where.setAttribute('role', 'status');
  var seen = 0;
  if (window.ResizeObserver) new ResizeObserver(function () {
    if (tiles.clientWidth !== seen) { seen = tiles.clientWidth; draw(); }
  }).observe(tiles);
  draw();
}
