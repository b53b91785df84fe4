'use strict';
// What the flame graph and the views of a heap share. Text from outside goes into the page as text only.
var oomph = (function () {
  function el(tag, cls, text) {
    var e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  }
  function iec(v) {
    var u = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'], i = 0, a = Math.abs(v), s = v < 0 ? '\u2212' : '';
    while (a >= 1023.95 && i < u.length - 1) { a /= 1024; i++; }
    return s + (i ? a.toFixed(1) : a.toFixed(0)) + ' ' + u[i];
  }
  function pct(x) { return x > 0 && x < 0.0005 ? '< 0.1 %' : (x * 100).toFixed(1) + ' %'; }
  function count(v) { return Math.round(v).toLocaleString('en-US'); }
  var box = null;
  // Shows text beside the pointer.
  function tip(e, text) {
    if (!box) { box = el('div', 'tip'); document.body.append(box); }
    box.hidden = false;
    box.textContent = text;
    var x = Math.min(e.clientX + 14, innerWidth - box.offsetWidth - 8), y = e.clientY + 18;
    if (y + box.offsetHeight > innerHeight - 8) y = e.clientY - box.offsetHeight - 12;
    box.style.left = Math.max(4, x) + 'px'; box.style.top = Math.max(4, y) + 'px';
  }
  function untip() { if (box) box.hidden = true; }
  return { el: el, iec: iec, pct: pct, count: count, tip: tip, untip: untip };
})();
