// The views of a heap: the treemap can be entered, the tree has keys, tables sort and filter.
(function () {
  var el = oomph.el, iec = oomph.iec, pct = oomph.pct, count = oomph.count;

  function treemap(data) {
    var tiles = document.getElementById('treemap-tiles'), path = document.getElementById('treemap-path');
    var where = document.getElementById('treemap-where');
    var n = data.parent.length, below = [], i, at = 0, focused = 0, cells = [], lit = null;
    for (i = 0; i < n; i++) below.push([]);
    for (i = 1; i < n; i++) below[data.parent[i]].push(i);
    below.forEach(function (b) { b.sort(function (x, y) { return data.retained[y] - data.retained[x] || x - y; }); });

    function label(i) { return data.shorts[data.name[i]] || data.names[data.name[i]]; }
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
        return (via ? via + ' ' : '') + label(k);
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
        var b = el('button', '', label(i));
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

  // Opens what a link leads into.
  function reveal() {
    var id = location.hash.slice(1), e = id && document.getElementById(id);
    if (!e) return;
    for (var p = e; p; p = p.parentElement) if (p.tagName === 'DETAILS') p.open = true;
    var row = e.querySelector('.row');
    document.querySelectorAll('.lit').forEach(function (l) { l.classList.remove('lit'); });
    if (row && /^r\d/.test(id)) { row.classList.add('lit'); row.focus({ preventScroll: true }); }
    e.scrollIntoView({ block: row ? 'center' : 'start' });
  }

  function tree() {
    var root = document.getElementById('retained'), tools = document.getElementById('tree-tools');
    if (!root) return;
    var open = el('button', '', 'Open all'), close = el('button', '', 'Close all');
    open.type = close.type = 'button';
    function all(state) {
      root.querySelectorAll('details').forEach(function (d, i) { d.open = state || i === 0; });
    }
    open.onclick = function () { all(true); };
    close.onclick = function () { all(false); };
    tools.append(open, close, el('span', 'help', 'Arrows move, right opens, left closes'));
    tools.hidden = false;
    root.onkeydown = function (e) {
      var row = e.target.closest('.row');
      if (!row || e.ctrlKey || e.metaKey || e.altKey) return;
      var details = row.parentElement.tagName === 'DETAILS' ? row.parentElement : null, to = null;
      var shown = Array.from(root.querySelectorAll('.row')).filter(function (r) { return r.offsetParent; });
      var k = shown.indexOf(row);
      if (e.key === 'ArrowDown') to = shown[k + 1];
      else if (e.key === 'ArrowUp') to = shown[k - 1];
      else if (e.key === 'Home') to = shown[0];
      else if (e.key === 'End') to = shown[shown.length - 1];
      else if (e.key === 'ArrowRight' && details) { if (details.open) to = shown[k + 1]; else details.open = true; }
      else if (e.key === 'ArrowLeft') {
        if (details && details.open) details.open = false;
        else { var up = row.closest('ul').closest('details'); to = up && up.querySelector('.row'); }
      } else return;
      if (to) to.focus();
      e.preventDefault();
    };
  }

  // Rows of a table that are shown before one asks for more.
  var FIRST = 15;

  function table(t) {
    var body = t.tBodies[0], heads = Array.from(t.tHead.rows[0].cells), rows = Array.from(body.rows);
    var term = '', kind = '', all = rows.length <= FIRST + 3;
    var tools = el('div', 'tools'), hits = el('span', 'hits'), more = el('button', 'rows');
    more.type = 'button';
    function show() {
      var found = 0;
      rows.forEach(function (r) {
        var k = r.querySelector('td.kind');
        var is = (!kind || (k && k.textContent === kind)) && (!term || r.textContent.toLowerCase().indexOf(term) >= 0);
        found += is ? 1 : 0;
        r.hidden = !is || (!all && found > FIRST);
      });
      hits.textContent = found === rows.length ? count(found) + ' rows' : count(found) + ' of ' + count(rows.length) + ' rows';
      more.hidden = found <= FIRST + 3;
      more.textContent = all ? 'Show the first ' + FIRST : 'Show all ' + count(found);
    }
    more.onclick = function () { all = !all; show(); };

    function value(row, i) {
      var c = row.cells[i];
      return c.dataset.v === undefined ? c.textContent.toLowerCase() : +c.dataset.v;
    }
    if (t.classList.contains('sortable')) heads.forEach(function (th, i) {
      var b = el('button', '', th.textContent), number = th.classList.contains('n');
      b.type = 'button';
      th.replaceChildren(b);
      b.onclick = function () {
        var was = th.getAttribute('aria-sort'), up = was ? was === 'descending' : !number, sign = up ? 1 : -1;
        heads.forEach(function (h) { h.removeAttribute('aria-sort'); });
        th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        var keyed = rows.map(function (r) { return [value(r, i), r]; });
        keyed.sort(function (a, b) { return a[0] < b[0] ? -sign : a[0] > b[0] ? sign : 0; });
        rows = keyed.map(function (r) { return r[1]; });
        body.append.apply(body, rows);
        show();
      };
    });

    if (t.classList.contains('filtered')) {
      var kinds = {}, input = el('input'), select = el('select');
      rows.forEach(function (r) {
        var k = r.querySelector('td.kind');
        if (k) kinds[k.textContent] = (kinds[k.textContent] || 0) + 1;
      });
      if (Object.keys(kinds).length > 1) {
        select.setAttribute('aria-label', 'Kind');
        select.append(new Option('all kinds', ''));
        Object.keys(kinds).forEach(function (k) { select.append(new Option(k + ' (' + kinds[k] + ')', k)); });
        select.onchange = function () { kind = select.value; show(); };
        tools.append(select);
      }
      input.type = 'search'; input.placeholder = 'Filter';
      input.setAttribute('aria-label', 'Filter rows');
      input.oninput = function () { term = input.value.trim().toLowerCase(); show(); };
      hits.setAttribute('role', 'status');
      tools.append(input, hits);
      t.parentElement.before(tools);
    }
    var foot = el('div', 'tools');
    foot.append(more);
    t.parentElement.after(foot);
    show();
  }

  var data = {};
  try { data = JSON.parse(document.getElementById('heap-data').textContent); } catch (e) { /* the rest works without it */ }
  if (data.parent && data.parent.length && document.getElementById('treemap-tiles')) treemap(data);
  tree();
  document.querySelectorAll('table.sortable, table.long').forEach(table);
  window.addEventListener('hashchange', reveal);
  // The same link a second time.
  document.addEventListener('click', function (e) {
    var a = e.target.closest && e.target.closest('a[href^="#"]');
    if (a && a.getAttribute('href') === location.hash) reveal();
  });
  reveal();
})();
