;;; driver.el --- what a headless Emacs loads for tests  -*- lexical-binding: t -*-
;;; Dials the test at $DRIVER_PORT, runs the pieces of Lisp that come, answers with their values.
(require 'dape)
(require 'json)

;; Nobody is there to answer a question.
(setq use-short-answers t
      dape-buffer-window-arrangement 'right)

(defun driver-breakpoint (file line)
  (find-file file)
  (goto-char (point-min))
  (forward-line (1- line))
  (dape-breakpoint-toggle))

(defun driver-mark ()
  "Line of the arrow that says \"stopped here\"."
  (when-let* ((buffer (marker-buffer dape--overlay-arrow-position)))
    (with-current-buffer buffer
      (line-number-at-pos dape--overlay-arrow-position))))

(defun driver-console ()
  (if-let* ((buffer (get-buffer "*dape-repl*")))
      (with-current-buffer buffer (buffer-substring-no-properties (point-min) (point-max)))
    ""))

(defun driver-stop ()
  (when-let* ((conn (dape--live-connection 'stopped t))
              (frame (dape--current-stack-frame conn)))
    (let ((scope (car (plist-get frame :scopes))))
      (list :function (plist-get frame :name)
            :line (plist-get frame :line)
            :variables
            (let ((table (make-hash-table :test 'equal)))
              (dolist (variable (append (plist-get scope :variables) nil) table)
                (puthash (plist-get variable :name) (plist-get variable :value) table)))))))

(defvar driver-asked nil "The frame whose variables were asked for last.")

(defun driver-view ()
  ;; dape asks for variables when a window shows them; without a screen there is none.
  (when-let* ((conn (dape--live-connection 'stopped t))
              (frame (dape--current-stack-frame conn))
              (scope (car (plist-get frame :scopes))))
    (unless (equal (plist-get frame :id) driver-asked)
      (setq driver-asked (plist-get frame :id))
      (dape--variables conn scope #'ignore)))
  (list :sessions (length (dape--live-connections))
        :stop (or (driver-stop) :null)
        :mark (or (driver-mark) :null)
        ;; dape's own remarks and warnings stand between asterisks in the console.
        :notices (vconcat (seq-filter (lambda (line)
                                        (string-match-p "\\`\\* .*\\(error\\|fail\\|timed out\\|Unable\\|without\\).* \\*\\'" line))
                                      (split-string (driver-console) "\n")))
        :console (driver-console)))

(defun driver-obey (process line)
  (let* ((request (json-parse-string line :object-type 'plist))
         (id (plist-get request :id))
         (answer (lambda (&rest fields)
                   (process-send-string
                    process (concat (json-serialize `(:id ,id ,@fields)) "\n")))))
    (condition-case fault
        (let ((value (eval `(let ((answer (lambda (value) (funcall ,answer :value value))))
                              ,(car (read-from-string (format "(progn %s)" (plist-get request :code)))))
                           t)))
          (unless (eq value 'later) (funcall answer :value (or value :null))))
      (error (funcall answer :error (error-message-string fault))))))

(defvar driver-rest "")

(make-network-process
 :name "driver" :host "127.0.0.1" :service (string-to-number (getenv "DRIVER_PORT")) :coding 'utf-8 :noquery t
 ;; The test is over, however it ended.
 :sentinel (lambda (_ event) (unless (string-prefix-p "open" event) (kill-emacs)))
 :filter (lambda (process chunk)
           (setq driver-rest (concat driver-rest chunk))
           (while (string-match "\n" driver-rest)
             (let ((line (substring driver-rest 0 (match-beginning 0))))
               (setq driver-rest (substring driver-rest (match-end 0)))
               ;; Not inside of the filter: a command of the user runs at the top of the loop.
               (run-at-time 0 nil #'driver-obey process line)))))
