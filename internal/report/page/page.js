"use strict";
// Without this script the page shows everything, in the order it was found.
(function () {
  var tools = document.getElementById("tools");
  if (!tools) return;
  var find = document.getElementById("find");
  var state = document.getElementById("state");
  var head = document.getElementById("head");
  var sort = document.getElementById("sort");
  var result = document.getElementById("result");
  var rests = Array.prototype.slice.call(document.querySelectorAll(".rest"));
  var groups = Array.prototype.slice.call(document.querySelectorAll(".group"));
  var keys = Array.prototype.map.call(document.querySelectorAll(".key, .short"), function (card) {
    var id = card.querySelector("h4 code, .short > code");
    return {
      card: card,
      number: Number(card.dataset.number),
      since: Number(card.dataset.since),
      places: Number(card.dataset.places),
      id: id ? id.textContent : "",
      text: null
    };
  });
  var order = {
    number: function (a, b) { return a.number - b.number; },
    old: function (a, b) { return (a.since || Infinity) - (b.since || Infinity) || a.number - b.number; },
    "new": function (a, b) { return b.since - a.since || a.number - b.number; },
    places: function (a, b) { return b.places - a.places || a.number - b.number; },
    id: function (a, b) { return a.id < b.id ? -1 : a.id > b.id ? 1 : a.number - b.number; }
  };
  function words() { return find.value.toLowerCase().split(/\s+/).filter(Boolean); }

  // A card's text is put together when it is first looked through.
  function has(key, list) {
    if (list.length && key.text === null) key.text = key.card.textContent.toLowerCase();
    return list.every(function (word) { return key.text.indexOf(word) >= 0; });
  }

  function filter() {
    var list = words();
    var shown = 0;
    keys.forEach(function (key) {
      var data = key.card.dataset;
      var ok = (!state.value || data.state === state.value) && (!head.value || data.head === head.value) && has(key, list);
      key.card.hidden = !ok;
      if (ok) shown++;
    });
    var all = shown === keys.length;
    rests.forEach(function (rest) {
      var any = rest.querySelector(".short:not([hidden])");
      rest.hidden = !any;
      rest.open = Boolean(any) && !all;
    });
    groups.forEach(function (group) { group.hidden = !group.querySelector(".key:not([hidden]), .short:not([hidden])"); });
    result.textContent = all ? keys.length + (keys.length === 1 ? " key" : " keys") : shown + " of " + keys.length + " keys";
  }

  function arrange() {
    keys.slice().sort(order[sort.value]).forEach(function (key) { key.card.parentNode.appendChild(key.card); });
  }

  var wait = 0;
  find.addEventListener("input", function () { clearTimeout(wait); wait = setTimeout(filter, 150); });
  state.addEventListener("change", filter);
  head.addEventListener("change", filter);
  sort.addEventListener("change", arrange);
  tools.addEventListener("submit", function (event) { event.preventDefault(); filter(); });
  tools.hidden = false;
  filter();
})();
