// The other views of a heap: the tree has keys, tables sort and filter, links open what they lead to.
(function () {
  var el = oomph.el, count = oomph.count;

  // Opens what a link leads into.
  function reveal() {
    var id = location.hash.slice(1), e = id && document.getElementById(id);
    if (!e) return;
    for (var p = e; p; p = p.parentElement) if (p.tagName === 'DETAILS') p.open = true;
    var row = /^r\d/.test(id) ? e.querySelector('.row') : null;
    document.querySelectorAll('.lit').forEach(function (l) { l.classList.remove('lit'); });
    if (row) { row.classList.add('lit'); row.focus({ preventScroll: true }); }
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
